// The upload form: files are dropped, and the requirements tick themselves as the rows are typed or chosen.
"use strict";

const form = document.getElementById("upload");
const pasted = document.getElementById("pasted");
const file = document.getElementById("data");
const list = document.getElementById("requirements");
const LARGEST = 512 * 1024;
const blank = [...list.children].map((item) => item.cloneNode(true));
let asked = 0;

for (const place of document.querySelectorAll("[data-drop]")) {
  const input = place.querySelector("input[type=file]");
  for (const kind of ["dragenter", "dragover"]) {
    place.addEventListener(kind, (event) => { event.preventDefault(); place.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) place.addEventListener(kind, () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) {
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change"));
    }
  });
}

/** A line of the list, as the server would write it. */
function line(one) {
  const item = document.createElement("li");
  item.className = one.met ? "met" : one.needed ? "unmet" : "open";
  const box = document.createElement("span");
  box.className = "box";
  box.setAttribute("aria-hidden", "true");
  box.textContent = one.met ? "✓" : one.needed ? "!" : "";
  const words = document.createElement("span");
  words.textContent = one.text + (one.needed ? "" : " (optional)") + (one.found ? ` – ${one.found}` : "");
  const state = document.createElement("span");
  state.className = "unseen";
  state.textContent = one.met ? ": met" : ": not met";
  words.append(state);
  item.append(box, words);
  return item;
}

async function check(rows, filename) {
  const mine = ++asked;
  if (!rows.trim()) { list.replaceChildren(...blank); return; }
  try {
    const answer = await fetch("/models/new/check", {
      method: "POST",
      headers: { Accept: "application/json", "X-CSRF-Token": form.elements.csrf.value },
      body: new URLSearchParams({ rows, filename }),
    });
    if (answer.ok && mine === asked) {
      const found = await answer.json();
      list.replaceChildren(...found.requirements.map(line));
    }
  } catch { /* the server says it all once more when the form is sent */ }
}

let waiting;
pasted.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => check(pasted.value, ""), 350);
});
file.addEventListener("change", async () => {
  const chosen = file.files[0];
  if (chosen && chosen.size <= LARGEST && !chosen.name.endsWith(".parquet")) check(await chosen.text(), chosen.name);
  else { asked += 1; list.replaceChildren(...blank); }
});
if (pasted.value) check(pasted.value, "");
