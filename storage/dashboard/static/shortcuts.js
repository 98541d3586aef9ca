/* Single keys, their list, and the switch that turns them off. */

import { button, el } from "./dom.js";

const KEY = "crossdiff-shortcuts";
const LIST = [
  ["j", "next motion"], ["k", "previous motion"],
  ["a", "keep (accept)"], ["d", "drop"], ["w", "needs work"],
  ["e", "edit the captions"], ["u", "undo your last decision"],
  ["x", "select or unselect (grid)"], ["Enter", "open (grid)"], ["Escape", "back to the grid; clear the selection"],
  ["/", "search"], ["Space", "play or pause"], ["← →", "one frame back or on"],
  ["Shift ← →", "one second back or on"], ["l", "loop"], ["[ ]", "slower, faster"],
  ["b", "compare side by side (grid: the two selected)"], ["?", "this list"],
];

let bound = {};

/** The keys of the page that is open: `{key: function}`; those of the page before are gone. */
export function bindKeys(keys) {
  bound = keys;
}

export const shortcutsOn = () => localStorage.getItem(KEY) !== "off";

export function startShortcuts(everywhere) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    const name = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
    const act = bound[name] ?? everywhere[name];
    if (!act || taken(event)) return;
    if (!shortcutsOn() && event.key !== "Escape") return;
    event.preventDefault();
    act(event);
  });
}

/** Whether the focused element needs the key itself. */
function taken(event) {
  const at = event.target;
  if (!(at instanceof Element)) return false;
  if (at.closest("textarea, select, [contenteditable]")) return true;
  const input = at.closest("input");
  if (input && input.type !== "checkbox") return input.type !== "range" || event.key.includes("Arrow");
  if (event.key.includes("Arrow") && at.closest("[data-arrows]")) return true;
  return (event.key === " " || event.key === "Enter") && Boolean(at.closest("button, a, summary, input, label"));
}

export function showHelp() {
  const rows = LIST.map(([key, what]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)));
  const toggle = el("input", { type: "checkbox", checked: shortcutsOn() });
  toggle.addEventListener("change", () => localStorage.setItem(KEY, toggle.checked ? "on" : "off"));
  const dialog = el(
    "dialog", { "aria-labelledby": "help-title", class: "help" },
    el("h2", { id: "help-title" }, "Keyboard"), el("dl", { class: "keys" }, rows),
    el("label", { class: "check" }, toggle, " single keys act"),
    button("Close", () => dialog.close(), { autofocus: true }),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
