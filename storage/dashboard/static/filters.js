/* The filters beside the grid: every one of them is in the address. */

import { button, clear, el, field, select } from "./dom.js";
import { count, verdictText } from "./format.js";
import { WITHOUT } from "./motion_list.js";
import { go } from "./router.js";

const CHOICES = [
  ["dataset", "Data set", "dataset"], ["action", "Class", "action"], ["verdict", "Decision", "verdict"],
  ["split", "Split", "split"], ["view", "View", "view_name"], ["visible", "Visible", "visible"],
  ["source_kind", "Source", "source_kind"],
];
const SOURCES = { pseudo: "from video", mocap: "motion capture" };
/* Filter, label, unit shown, factor from the unit shown to the address's. */
const RANGES = [
  ["score", "Label score", "%", 100], ["reprojection", "Reprojection error", "mm", 1000], ["seconds", "Length", "s", 1],
  ["skating", "Foot skating", "m/s", 1], ["coverage", "Coverage", "%", 100],
];
export const SORTS = [
  ["", "In order of id"], ["label_score desc", "Best labels first"], ["label_score asc", "Worst labels first"],
  ["reprojection desc", "Largest 2D error first"], ["reprojection asc", "Smallest 2D error first"], ["seconds desc", "Longest first"], ["seconds asc", "Shortest first"],
  ["action asc", "By class"], ["decided_at desc", "Newest decision first"],
];
const TYPING_MS = 600;

const nameOf = (filter, value) => {
  if (value === WITHOUT) return "none";
  if (filter === "verdict") return verdictText(value);
  if (filter === "source_kind") return SOURCES[value] ?? value;
  return value;
};

/** The form. `facets` are the values there are, `params` what is chosen, `set(change)` changes the address. */
export function filterForm(facets, params, set) {
  const choices = CHOICES.map(([filter, label, facet]) => {
    const there = (facets[facet] ?? []).map((each) => {
      const value = each.value || (filter === "verdict" ? "none" : WITHOUT);
      return [value, `${nameOf(filter, value)} (${count(each.count)})`];
    });
    const chosen = params[filter] ?? "";
    if (chosen && !there.some(([value]) => value === chosen)) there.unshift([chosen, `${nameOf(filter, chosen)} (0)`]);
    return field(label, select([["", "Any"], ...there], chosen, { name: filter, onchange: (event) => set({ [filter]: event.target.value }) }));
  });
  const status = select([["ok", "Became motion"], ["failed", "Failed files"]], "ok", { onchange: () => go("failures", { dataset: params.dataset }) });
  return el("form", { class: "filter-form", "aria-label": "Filters", onsubmit: (event) => event.preventDefault() },
    choices.slice(0, 1), field("Status", status), choices.slice(1), RANGES.map((range) => rangeField(range, params, set)));
}

function rangeField([name, label, unit, factor], params, set) {
  const bound = (side, word) => {
    const filter = `${side}_${name}`;
    const given = params[filter];
    const shown = given ? Number((Number(given) * factor).toPrecision(4)) : "";
    const input = el("input", {
      type: "number", name: filter, value: String(shown), min: 0, step: "any", placeholder: side, inputmode: "decimal", "aria-label": `${label}, ${word}, ${unit}`,
    });
    let typing = 0;
    const tell = () => {
      clearTimeout(typing);
      const value = input.value === "" ? "" : String(Number((Number(input.value) / factor).toPrecision(8)));
      if (input.value !== String(shown)) set({ [filter]: value });
    };
    input.addEventListener("change", tell);
    input.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(tell, TYPING_MS); });
    return input;
  };
  return el("fieldset", { class: "range" }, el("legend", {}, label, el("small", {}, ` ${unit}`)), bound("min", "at least"), el("span", { "aria-hidden": "true" }, "–"), bound("max", "at most"));
}

/** What is chosen, each with a way to take it back. */
export function filterChips(params, set) {
  const chips = [];
  for (const [filter, label] of CHOICES) {
    if (params[filter]) chips.push(chip(`${label}: ${nameOf(filter, params[filter])}`, () => set({ [filter]: "" })));
  }
  for (const [name, label, unit, factor] of RANGES) {
    const [low, high] = [params[`min_${name}`], params[`max_${name}`]].map((value) => (value ? Number((Number(value) * factor).toPrecision(3)) : null));
    if (low === null && high === null) continue;
    const text = low === null ? `up to ${high}` : high === null ? `from ${low}` : `${low} to ${high}`;
    chips.push(chip(`${label}: ${text} ${unit}`, () => set({ [`min_${name}`]: "", [`max_${name}`]: "" })));
  }
  if (params.q) chips.push(chip(`“${params.q}”`, () => set({ q: "" })));
  return chips;
}

function chip(text, remove) {
  return button([text, el("span", { "aria-hidden": "true" }, " ×")], remove, { class: "chip", "aria-label": `Remove filter ${text}` });
}

export const clearChips = (place, params, set) => clear(place, filterChips(params, set));
