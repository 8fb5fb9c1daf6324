// Pages of a model: thresholds that show what they bring, answers at once, corrections in place, labelling by keys.
"use strict";

/** A threshold's slider says what precision and recall it brings, from the points of its curve. */
function slide(row) {
  const input = row.querySelector("input[type=range]");
  const curve = JSON.parse(row.dataset.curve);
  const saved = Number(input.dataset.saved);
  const share = (value) => `${Math.round(100 * value)}\u00a0%`;
  input.step = "0.01";
  const show = () => {
    const value = Number(input.value);
    const changed = Math.abs(value - saved) >= 0.005;
    row.classList.toggle("changed", changed);
    row.querySelector(".at").textContent = value.toFixed(2);
    let words = value.toFixed(2);
    if (curve.length) {
      const point = curve.reduce((best, one) => (Math.abs(one[0] - value) < Math.abs(best[0] - value) ? one : best));
      row.querySelector(".precision").textContent = share(point[1]);
      row.querySelector(".recall").textContent = share(point[2]);
      words += `, precision ${share(point[1])}, recall ${share(point[2])}`;
    }
    input.setAttribute("aria-valuetext", words);
  };
  input.addEventListener("input", show);
  addEventListener("pageshow", () => { input.disabled = false; show(); }); // Back brings what was set before
  show();
  // Untouched ones are not sent: stepping has rounded them, and they are to stay as they are.
  input.form.addEventListener("submit", () => { if (Math.abs(Number(input.value) - saved) < 0.005) input.disabled = true; });
}
document.querySelectorAll("[data-curve]").forEach(slide);

/** Sends a form and gives the page that comes back, without leaving this one. */
async function send(form, extra) {
  const body = new URLSearchParams(new FormData(form));
  for (const [name, value] of Object.entries(extra || {})) {
    if (value === null) body.delete(name);
    else body.set(name, value);
  }
  const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
  if (answer.redirected) { location.assign(answer.url); return null; }
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

const form = document.getElementById("try");
if (form) {
  const results = document.getElementById("results");
  const texts = form.querySelector("textarea");
  let turn = 0;
  const put = (page) => {
    const fresh = page && page.getElementById("results");
    if (!fresh) return false;
    const open = [...results.querySelectorAll("details")].map((one) => one.open);
    results.replaceChildren(...fresh.childNodes);
    if (open.length === results.querySelectorAll("details").length) {
      [...results.querySelectorAll("details")].forEach((one, place) => { one.open = open[place]; });
    }
    corrections(results);
    return true;
  };
  const ask = async () => {
    const mine = ++turn;
    results.setAttribute("aria-busy", "true");
    try {
      // The answer first, then the reasons, which take longer the first time.
      const first = await send(form, { reasons: null });
      if (mine !== turn || !put(first)) { if (mine === turn && first) form.submit(); return; }
      if (!results.querySelector("[data-reasons]")) return;
      const held = document.activeElement && results.contains(document.activeElement);
      const second = await send(form, {});
      if (mine === turn && !held && !results.contains(document.activeElement)) put(second);
    } catch {
      if (mine !== turn) return;
      const said = document.createElement("p");
      said.setAttribute("role", "alert");
      said.className = "problem";
      said.textContent = "The server did not answer. Try again.";
      results.replaceChildren(said);
    } finally {
      if (mine === turn) results.removeAttribute("aria-busy");
    }
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  // What a file holds may be edited and is still read as that file; other texts in its place are lines.
  const lines = () => texts.value.split("\n").map((one) => one.trim()).filter(Boolean);
  let loaded = null;
  texts.addEventListener("input", () => {
    if (!loaded || lines().some((one) => loaded.has(one))) return;
    loaded = null;
    form.elements.filename.value = "";
  });
  form.elements.filename.addEventListener("change", () => { loaded = null; });
  texts.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); }
  });
  const take = async (file) => {
    if (!file) return;
    texts.value = await file.slice(0, 4 * 1024 * 1024).text();
    const ending = file.name.split(".").pop().toLowerCase().replace("ndjson", "jsonl");
    form.elements.filename.value = `texts.${ending}`;
    if (form.elements.filename.selectedIndex < 0) form.elements.filename.value = "";
    loaded = new Set(lines());
    form.requestSubmit();
  };
  form.querySelector("[data-file]").hidden = false;
  form.querySelector("[data-drop-hint]").hidden = false;
  form.querySelector("input[type=file]").addEventListener("change", (event) => take(event.target.files[0]));
  texts.addEventListener("dragover", (event) => { event.preventDefault(); texts.classList.add("over"); });
  texts.addEventListener("dragleave", () => texts.classList.remove("over"));
  texts.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    texts.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  corrections(results);
}

/** A correction of an answer is kept without losing the other answers. */
function corrections(root) {
  for (const one of root.querySelectorAll("form[data-correct]")) {
    one.addEventListener("submit", async (event) => {
      event.preventDefault();
      const said = document.createElement("p");
      said.setAttribute("role", "status");
      said.tabIndex = -1;
      const headers = { Accept: "application/json" };
      let kept = false;
      try {
        const answer = await fetch(one.action, { method: "POST", body: new URLSearchParams(new FormData(one)), headers });
        const found = await answer.json();
        kept = answer.ok;
        said.textContent = kept ? "Added. It joins the dataset when you train with the corrections." : found.message;
      } catch {
        said.textContent = "The server did not answer. Try again.";
      }
      if (kept) {
        one.replaceWith(said);
        said.focus();
      } else {
        one.querySelector("[role=status]")?.remove();
        one.append(said);
      }
    });
  }
}

const labelling = document.querySelector("[data-keys]");
if (labelling) {
  document.querySelector("[data-keys-hint]").hidden = false;
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input[type=text], textarea, select")) return;
    const target = labelling.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!target || (event.key === "Enter" && event.target.closest("a, button, summary"))) return;
    event.preventDefault();
    target.click();
  });
}
