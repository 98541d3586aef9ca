/* Who decides in this browser: the server's name for whoever started it, until somebody says another. */

import { button, el, field } from "./dom.js";

const KEY = "crossdiff-curator";
let name = "";

export const curator = () => name;

/** The button that shows the name and lets it be changed. */
export function startCurator(store, place) {
  name = localStorage.getItem(KEY) || store.by;
  const show = () => {
    place.textContent = name;
    place.setAttribute("aria-label", `You decide as ${name}; change the name`);
    place.title = "Who decides: goes with every decision";
    place.hidden = Boolean(store.readonly);
  };
  place.addEventListener("click", () => ask(store.limits?.by_chars ?? 100, (given) => {
    name = given || store.by;
    if (given) localStorage.setItem(KEY, given);
    else localStorage.removeItem(KEY);
    show();
  }));
  show();
}

function ask(most, taken) {
  const input = el("input", { type: "text", value: name, maxlength: most });
  const form = el("form", { onsubmit: (event) => { event.preventDefault(); taken(input.value.trim()); dialog.close(); } },
    el("h2", { id: "curator-title" }, "Who decides?"), field("Your name goes with every decision", input),
    el("div", { class: "row" }, el("button", { type: "submit", class: "primary" }, "Use it"), button("Cancel", () => dialog.close())));
  const dialog = el("dialog", { "aria-labelledby": "curator-title" }, form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  input.select();
}
