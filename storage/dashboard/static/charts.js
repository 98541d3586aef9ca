/* Charts whose every bar is a link to what it counts. Bars are real links with words: a screen reader
   and a keyboard read the same as the eye. */

import { el } from "./dom.js";
import { count, plural } from "./format.js";

const LEAST_PERCENT = 1.5;

/** Horizontal bars: `items` of {label, count, href, tone}; what is beyond `most` folds away. */
export function bars(items, { most = 12, what = "motion" } = {}) {
  if (!items.length) return el("p", { class: "quiet" }, "None yet.");
  const largest = Math.max(...items.map((item) => item.count), 1);
  const rows = items.map((item) => barRow(item, largest, what));
  const list = el("ul", { class: "bars" }, rows.slice(0, most));
  if (rows.length <= most) return list;
  const more = el("ul", { class: "bars" }, rows.slice(most));
  return el("div", {}, list, el("details", {}, el("summary", {}, `${rows.length - most} more`), more));
}

function barRow(item, largest, what) {
  const width = item.count ? Math.max((item.count / largest) * 100, LEAST_PERCENT) : 0;
  return el("li", {}, el(
    "a", { href: item.href, class: "barrow", "aria-label": `${item.label}: ${plural(item.count, what)}` },
    el("span", { class: "bar-label", title: item.label }, item.label),
    el("span", { class: "bar-track", "aria-hidden": "true" },
      el("span", { class: `bar-fill ${item.tone ?? ""}`, style: { width: `${width}%` } })),
    el("span", { class: "bar-count" }, item.note ?? count(item.count)),
  ));
}

/** Upright bars between edges; `hrefOf(low, high)` is what a bar leads to. */
export function histogram({ edges, counts, textOf, hrefOf, label }) {
  const largest = Math.max(...counts, 1);
  const columns = counts.map((number, n) => {
    const range = `${textOf(edges[n])} to ${textOf(edges[n + 1])}`;
    return el("li", {}, el(
      "a", { href: hrefOf(edges[n], edges[n + 1]), title: `${range}: ${plural(number, "motion")}`, "aria-label": `${label} ${range}: ${plural(number, "motion")}` },
      el("span", { class: "column-fill", style: { height: `${number ? Math.max((number / largest) * 100, LEAST_PERCENT) : 0}%` } }),
    ));
  });
  return el(
    "div", { class: "histogram" }, el("ul", { class: "columns", "aria-label": label }, columns),
    el("div", { class: "axis", "aria-hidden": "true" }, el("span", {}, textOf(edges[0])),
      el("span", {}, textOf(edges[Math.floor(edges.length / 2)])), el("span", {}, textOf(edges.at(-1)))),
  );
}

/** Columns over time: `items` of {label, value, href, words}. */
export function timeline(items, label) {
  const largest = Math.max(...items.map((item) => item.value), 1e-9);
  const columns = items.map((item) => el("li", {}, el(
    "a", { href: item.href, title: item.words, "aria-label": item.words },
    el("span", { class: "column-fill", style: { height: `${Math.max((item.value / largest) * 100, LEAST_PERCENT)}%` } }),
  )));
  return el(
    "div", { class: "histogram" }, el("ul", { class: "columns", "aria-label": label }, columns),
    el("div", { class: "axis", "aria-hidden": "true" }, el("span", {}, items[0].label), el("span", {}, items.at(-1).label)),
  );
}
