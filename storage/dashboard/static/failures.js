/* Files that became no motion: which, why, in words. */

import { get } from "./api.js";
import { button, clear, el, emptyState, errorState, field, loadingState, select } from "./dom.js";
import { plural } from "./format.js";
import { address, go } from "./router.js";

const PAGE = 100;

export function open(place, params, store) {
  const ending = new AbortController();
  let rows = [];
  const fetchRows = async (now) => {
    const query = { dataset: now.dataset, reason: now.reason, offset: rows.length, limit: PAGE };
    return get("failures", query, { signal: ending.signal });
  };
  const fill = async (now) => {
    rows = [];
    clear(place, loadingState());
    try {
      const [answer, overview] = await Promise.all([
        fetchRows(now), get("overview", { dataset: now.dataset }, { signal: ending.signal }),
      ]);
      rows = answer.rows;
      clear(place, page(now, answer.total, overview.failures_by_reason));
    } catch (error) {
      if (error.name !== "AbortError") clear(place, errorState(error.message, () => fill(now), true));
    }
  };
  const more = async (now, body, foot) => {
    try {
      const answer = await fetchRows(now);
      rows = [...rows, ...answer.rows];
      body.append(...answer.rows.map(line));
      if (rows.length >= answer.total || !answer.rows.length) foot.remove();
    } catch (error) {
      if (error.name !== "AbortError") clear(foot, errorState(error.message));
    }
  };

  function page(now, total, reasons) {
    const set = (change) => go("failures", { ...now, ...change });
    const body = el("tbody", {}, rows.map(line));
    const foot = el("p", {}, button("Show more", () => more(now, body, foot)));
    return [
      el("div", { class: "page-head" },
        el("div", {}, el("h1", {}, "Failures"), el("p", { class: "quiet" }, `${plural(total, "file")} became no motion.`)),
        el("div", { class: "row" },
          field("Data set", select([["", "All"], ...store.datasets.map((name) => [name, name])], now.dataset ?? "", { onchange: (event) => set({ dataset: event.target.value }) })),
          field("Reason", select([["", "All"], ...reasons.map((each) => [each.value, `${each.value} (${each.count})`])], now.reason ?? "", { onchange: (event) => set({ reason: event.target.value }) })))),
      total === 0
        ? emptyState(now.reason ? "No file failed for this reason." : "No file has failed.", "", el("p", {}, el("a", { href: address("browse") }, "Browse the motions")))
        : el("div", { class: "scroll card", tabindex: "0", role: "region", "aria-label": "Failed files" },
          el("table", {}, el("thead", {}, el("tr", {}, ["File", "Data set", "Class", "Reason", "What happened"].map((name) => el("th", { scope: "col" }, name)))), body)),
      rows.length < total && foot,
    ];
  }

  fill(params);
  return { update: fill, close: () => ending.abort() };
}

function line(row) {
  return el("tr", {}, el("th", { scope: "row", class: "name" }, row.name), el("td", {}, row.dataset), el("td", {}, row.action ?? "–"),
    el("td", {}, el("code", {}, row.reason ?? "–")), el("td", { class: "name" }, row.detail ?? "–"));
}
