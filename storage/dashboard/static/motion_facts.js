/* What is known of a motion: quality, joints, lineage, neighbours, versions. */

import { el } from "./dom.js";
import { fixed, jointText, metresAsMm, percent, shortId, UNKNOWN, verdictText, when } from "./format.js";
import { confidenceColour, errorColour, ERROR_BAD_M } from "./joint_colours.js";
import { address } from "./router.js";

const FIGURES = {
  label_score: ["Label score", percent], label_error: ["Expected error", metresAsMm],
  reprojection_error: ["Reprojection error", metresAsMm], coverage: ["Coverage", percent], mean_confidence: ["2D confidence", percent],
  mask_share: ["Joints not seen", percent], foot_skating: ["Foot skating", (value) => fixed(value, 2, "m/s")],
  jitter: ["Jitter", (value) => fixed(value, 0, "m/s³")], spread: ["Spread of repeated lifts", metresAsMm],
  second_opinion: ["Second opinion in", percent], perspective_error: ["Perspective error", metresAsMm],
};

const CAMERA = {
  azimuth_deg: ["Camera's azimuth", (value) => `${Math.round(value)}°`], elevation_deg: ["Camera's elevation", (value) => `${Math.round(value)}°`],
  quality: ["Camera motion known", percent], px_per_metre: ["Scale", (value) => fixed(value, 0, "px/m")],
};

export function qualityCard(detail) {
  const quality = detail.quality ?? {};
  const figures = { label_score: detail.label_score, label_error: detail.label_error };
  for (const [name, value] of Object.entries(quality)) figures[name.replace(/^quality_/, "")] = value;
  const rows = Object.entries(figures).filter(([, value]) => typeof value === "number")
    .map(([name, value]) => fact((FIGURES[name] ?? [name.replaceAll("_", " ")])[0], (FIGURES[name] ?? [, (given) => fixed(given, 3)])[1](value)));
  const person = Object.entries(detail.person ?? {}).filter(([, value]) => typeof value === "number").map(([name, value]) => fact(`Person: ${name.replaceAll("_", " ")}`, percent(value)));
  const camera = Object.entries(CAMERA).filter(([name]) => typeof detail.camera?.[name] === "number")
    .map(([name, [label, textOf]]) => fact(label, textOf(detail.camera[name])));
  return card("Quality", rows.length ? el("dl", { class: "facts" }, rows, person, camera) : el("p", { class: "quiet" }, "No quality figures: this motion was not lifted from video."));
}

/** Confidence and expected error of each joint, as bars with numbers. */
export function jointsCard(motion) {
  if (!motion.confidence && !motion.error) return null;
  const rows = motion.names.map((name, j) => el("tr", {}, el("th", { scope: "row" }, jointText(name)),
    motion.confidence && cell(meanConfidence(motion, j), percent, (value) => value, confidenceColour),
    motion.error && cell(motion.error[j], metresAsMm, (value) => Math.min(value / ERROR_BAD_M, 1), errorColour)));
  const head = el("tr", {}, el("th", { scope: "col" }, "Joint"), motion.confidence && el("th", { scope: "col" }, "2D confidence"), motion.error && el("th", { scope: "col" }, "Expected error"));
  return card("Joints", el("table", { class: "joints" }, el("thead", {}, head), el("tbody", {}, rows)));
}

function cell(value, textOf, shareOf, colourOf) {
  if (value === null || value === undefined) return el("td", {}, UNKNOWN);
  return el("td", {}, el("span", { class: "meter", "aria-hidden": "true" }, el("i", { style: { width: `${shareOf(value) * 100}%`, background: colourOf(value) } })), el("span", { class: "num" }, textOf(value)));
}

function meanConfidence(motion, joint) {
  let sum = 0;
  let seen = 0;
  for (let t = 0; t < motion.frames; t++) {
    const at = t * motion.count + joint;
    if (!motion.mask[at] || typeof motion.confidence[at] !== "number") continue;
    sum += motion.confidence[at];
    seen += 1;
  }
  return seen ? sum / seen : null;
}

export function lineageCard(detail) {
  const rows = Object.entries(detail.lineage ?? {}).filter(([, value]) => value !== null && typeof value !== "object").map(([name, value]) => {
    const text = String(value);
    const shown = name.endsWith("_at") ? when(text) : name.endsWith("_json") ? null : text;
    return shown && fact(name.replaceAll("_", " "), el("code", { title: text }, shown.length > 60 ? shortId(shown) : shown));
  });
  const config = detail.lineage?.config_json;
  return card("Lineage", [el("dl", { class: "facts" }, rows), config && el("details", {}, el("summary", {}, "The run's whole configuration"), el("pre", { tabindex: "0" }, pretty(config)))]);
}

export function neighboursCard(detail, query) {
  const rows = detail.neighbours ?? [];
  if (!rows.length) return null;
  const items = rows.map((each) => el("li", {}, each.motion_id === detail.motion_id
    ? el("strong", { "aria-current": "true" }, `${fixed(each.start_s, 1)}–${fixed(each.start_s + each.seconds, 1, "s")} (this one)`)
    : [el("a", { href: address("motion", { id: each.motion_id, ...query }) }, `${fixed(each.start_s, 1)}–${fixed(each.start_s + each.seconds, 1, "s")}`),
      each.same_track === false && el("span", { class: "quiet" }, " another person"), each.verdict && el("span", { class: "quiet" }, ` ${verdictText(each.verdict)}`)]));
  return card("In the same video", el("ol", { class: "plain-list" }, items));
}

export function versionsCard(detail, query) {
  const rows = detail.versions ?? [];
  if (rows.length < 2) return card("Label versions", el("p", { class: "quiet" }, "This label was made once; a relabelling would show here."));
  const newest = Math.max(...rows.map((each) => each.version));
  const items = rows.map((each) => el("li", {}, `Version ${each.version}, ${when(each.at)} `, el("code", { title: each.checkpoint_id ?? "" }, shortId(each.checkpoint_id)), " ",
    each.version !== newest && el("a", { href: address("compare", { a: detail.motion_id, va: each.version, b: detail.motion_id, vb: newest, ...query }) }, "compare with the newest")));
  return card("Label versions", el("ol", { class: "plain-list" }, items));
}

const fact = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));
const card = (title, content) => el("section", { class: "card" }, el("h2", {}, title), content);

function pretty(json) {
  try {
    return JSON.stringify(JSON.parse(json), null, 1);
  } catch {
    return String(json);
  }
}
