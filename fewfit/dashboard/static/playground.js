// The playground: more labels, and the answers in view when they come.
"use strict";

const more = document.getElementById("more");
const cards = document.getElementById("cards");
more.hidden = false;
more.addEventListener("click", () => {
  const count = cards.children.length + 1;
  const card = cards.lastElementChild.cloneNode(true);
  card.querySelector("legend").textContent = `Label ${count}`;
  for (const field of card.querySelectorAll("input, textarea")) {
    field.value = "";
    field.id = `${field.name}-${count}`;
    field.parentElement.querySelector("label").htmlFor = field.id;
  }
  cards.append(card);
  card.querySelector("input").focus();
});
const answers = document.getElementById("answers");
answers?.focus({ preventScroll: true });
answers?.scrollIntoView({ block: "center" });
