// What every page has: the menu on a phone, copy buttons, language tabs, typed confirmations, live regions.
"use strict";

const menu = document.querySelector(".menu-button");
if (menu) {
  const places = document.getElementById("places");
  menu.hidden = false;
  document.documentElement.classList.add("folds");
  const fold = (open) => {
    menu.setAttribute("aria-expanded", String(open));
    places.classList.toggle("open", open);
  };
  menu.addEventListener("click", () => fold(menu.getAttribute("aria-expanded") !== "true"));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.getAttribute("aria-expanded") === "true") {
      fold(false);
      menu.focus();
    }
  });
}

/** Makes the enhancements inside a part of the page; again for what a live region brings. */
function enhance(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
  for (const group of root.querySelectorAll("[data-tabs]")) tabs(group);
  for (const field of root.querySelectorAll("[data-confirm]")) {
    const button = field.form.querySelector("button");
    const words = (text) => text.trim().replace(/\s+/g, " "); // as the page shows them
    const check = () => { button.disabled = words(field.value) !== words(field.dataset.confirm); };
    field.addEventListener("input", check);
    check();
  }
  for (const field of root.querySelectorAll("[data-submits]")) {
    field.addEventListener("change", () => field.form.requestSubmit());
  }
}

async function copy(button) {
  const code = button.closest(".snippet").querySelector("code");
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Selected, copy with the keyboard";
  }
  setTimeout(() => { button.textContent = before; }, 2000);
}

/** Sections that were under each other become tabs; which one is open is remembered. */
function tabs(group) {
  const sections = [...group.querySelectorAll(":scope > [data-tab]")];
  if (sections.length < 2) return;
  const list = document.createElement("div");
  list.className = "tabs";
  list.setAttribute("role", "tablist");
  const kind = group.dataset.tabs;
  const choose = (name, focus) => {
    for (const [place, section] of sections.entries()) {
      const chosen = section.dataset.tab === name;
      section.hidden = !chosen;
      const tab = list.children[place];
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      if (chosen && focus) tab.focus();
    }
    try { localStorage.setItem(`fewfit-${kind}`, name); } catch { /* private windows have no memory */ }
  };
  for (const [place, section] of sections.entries()) {
    const name = section.dataset.tab;
    const tab = document.createElement("button");
    tab.type = "button";
    tab.textContent = name;
    tab.setAttribute("role", "tab");
    section.id ||= `tab-${kind}-${place}-${Math.random().toString(36).slice(2, 8)}`;
    tab.setAttribute("aria-controls", section.id);
    section.setAttribute("role", "tabpanel");
    section.setAttribute("aria-label", name);
    section.classList.add("tabbed");
    tab.addEventListener("click", () => choose(name, false));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      choose(sections[(place + step + sections.length) % sections.length].dataset.tab, true);
    });
    list.append(tab);
  }
  group.prepend(list);
  let first = sections[0].dataset.tab;
  try { first = localStorage.getItem(`fewfit-${kind}`) || first; } catch { /* as above */ }
  choose(sections.some((section) => section.dataset.tab === first) ? first : sections[0].dataset.tab, false);
}

const choice = (field) => field.type === "radio" || field.type === "checkbox";
/** Whether a person has written into a field, or chosen in it, since the page came. */
function changed(field) {
  if (choice(field)) return field.checked !== field.defaultChecked;
  if (field.options) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((one) => one.defaultSelected));
  return field.type !== "hidden" && field.value !== field.defaultValue;
}
/** What tells a field from all others, also when forms before it come or go. */
const told = (field) => [field.name, choice(field) && field.value, ...[...field.form.querySelectorAll("[type=hidden]")].map((one) => one.value)].join("\n");
const FIELDS = "form input, form select, form textarea";
const FOCUSABLE = "a, button, input, select, textarea, summary, [tabindex]";

/** Says at the foot of the window how things stand. */
function tell(words) { document.getElementById("news").textContent = words; }

/** How far a region is, for those who hear it: its state and its stage, not every step. */
const stage = (region) => [...region.querySelectorAll("[data-stage], .head > .pill")].map((one) => one.dataset.stage || one.textContent).join(", ");

/** A region that is fetched again every `data-live` milliseconds, until the server sends it without. */
async function live(region) {
  let failures = 0;
  while (region.dataset.live) {
    await new Promise((go) => setTimeout(go, Number(region.dataset.live)));
    if (document.hidden) continue;
    let page;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(30_000) });
      if (answer.redirected) {
        if ([...document.querySelectorAll(FIELDS)].some(changed)) tell("You are signed out. What you have written is kept when you send it.");
        else location.assign(answer.url);
        return;
      }
      if (!answer.ok && answer.status !== 404) throw new Error(answer.status);
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch { // the server restarts, or the network is away: try again
      failures += 1;
      if (failures === 2) tell("The server does not answer. This page goes on by itself when it does.");
      continue;
    }
    if (failures > 1) tell("");
    failures = 0;
    const fresh = page.getElementById(region.id);
    if (!fresh) { location.reload(); return; }
    if (region.innerHTML === fresh.innerHTML && region.dataset.live === fresh.dataset.live) continue;
    if (stage(fresh) !== stage(region)) document.getElementById("heard").textContent = stage(fresh);
    const open = [...region.querySelectorAll("details")].map((one) => one.open);
    const held = document.activeElement;
    const place = [...region.querySelectorAll(FOCUSABLE)].indexOf(held);
    const scrolled = [...region.querySelectorAll(".scroll")].map((one) => one.scrollTop);
    const written = [...region.querySelectorAll(FIELDS)].filter(changed).map((one) => [told(one), one]);
    region.replaceChildren(...fresh.childNodes);
    enhance(region);
    for (const [name, one] of written) {
      const same = [...region.querySelectorAll(FIELDS)].find((other) => told(other) === name);
      if (!same) continue;
      if (choice(one)) same.checked = one.checked;
      else same.value = one.value;
      same.dispatchEvent(new Event("input"));
    }
    [...region.querySelectorAll("details")].forEach((one, number) => { one.open = Boolean(open[number]); });
    [...region.querySelectorAll(".scroll")].forEach((one, number) => { one.scrollTop = scrolled[number] || 0; });
    if (place >= 0) {
      const there = [...region.querySelectorAll(FOCUSABLE)][place];
      (document.getElementById(held.id) || (there?.tagName === held.tagName ? there : null))?.focus({ preventScroll: true });
    }
    if (fresh.dataset.live) region.dataset.live = fresh.dataset.live;
    else delete region.dataset.live;
    document.title = page.title;
  }
}

/** A form is sent once, however slow the network: a second press would act again, or on what the next page has there. */
let sent = false;
const settle = () => { sent = false; tell(""); };
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return; // a script sends it and stays here
  if (sent) { event.preventDefault(); return; }
  sent = true;
  setTimeout(() => { if (sent) tell("Sending…"); }, 1000);
  if (!window.navigation) setTimeout(settle, 60_000);
});
addEventListener("pageshow", settle);
window.navigation?.addEventListener("navigateerror", settle); // stopped before an answer came
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (event.detail > 1 && button?.type === "submit" && button.form) event.preventDefault();
}, true);

enhance(document);
document.querySelectorAll("[data-live]").forEach(live);
