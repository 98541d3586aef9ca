/* The newest decisions of everybody. */

import { get } from "./api.js";
import { decisions } from "./decide.js";
import { button, clear, el, errorState, loadingState } from "./dom.js";
import { historyList } from "./history.js";

const NEWEST = 200;

export function open(place) {
  const ending = new AbortController();
  const fill = async () => {
    try {
      const answer = await get("decisions", { limit: NEWEST }, { signal: ending.signal });
      clear(place,
        el("div", { class: "page-head" },
          el("div", {}, el("h1", {}, "Activity"), el("p", { class: "quiet" }, "The newest decisions of everybody. None is ever deleted; an undone one stays, crossed out.")),
          button("Refresh", fill)),
        el("div", { class: "card" }, historyList(answer.rows ?? [], { ofAll: true })));
    } catch (error) {
      if (error.name !== "AbortError") clear(place, errorState(error.message, fill, true));
    }
  };
  clear(place, loadingState());
  fill();
  decisions.addEventListener("change", fill, { signal: ending.signal });
  return { close: () => ending.abort() };
}
