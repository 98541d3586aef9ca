/* Short messages in a live region: what was saved, what was not. */

import { button, el } from "./dom.js";

const SHOWN_MS = 5000;
const BAD_MS = 20_000;
const MOST = 4;

export function tell(text, { bad = false, strong = false } = {}) {
  const place = document.getElementById("toasts");
  const toast = el("div", { class: `toast${bad ? " bad" : ""}${strong ? " strong" : ""}` }, el("span", {}, text));
  const close = () => toast.remove();
  toast.append(button("×", close, { "aria-label": "Close message", class: "plain icon" }));
  place.append(toast);
  while (place.children.length > MOST) place.firstElementChild.remove();
  setTimeout(close, bad || strong ? BAD_MS : SHOWN_MS);
}
