/* Who decided what and when: of one motion, and of all. Nothing is ever deleted, undone is said so. */

import { changeText } from "./decide.js";
import { el } from "./dom.js";
import { shortId, when } from "./format.js";
import { address } from "./router.js";

/** A list of decisions; `ofAll` names the motion in each line. Rows may come in any order. */
export function historyList(rows, { ofAll = false } = {}) {
  if (!rows.length) return el("p", { class: "quiet" }, "Nobody has decided yet.");
  const newest = [...rows].sort((one, two) => String(two.at).localeCompare(String(one.at)));
  return el("ol", { class: "history" }, newest.map((row) => entry(row, ofAll)));
}

function entry(row, ofAll) {
  const withdrawn = Boolean(row.withdrawn_by);
  const what = changeText(row) || (row.withdraws ? "took a decision back" : "undid");
  return el(
    "li", { class: withdrawn && "withdrawn" },
    el("span", { class: "history-what" }, what, withdrawn && el("small", {}, " (undone)")),
    ofAll && el("a", { href: address("motion", { id: row.motion_id }), title: row.motion_id }, row.action ?? shortId(row.motion_id)),
    el("span", { class: "quiet" }, `${row.by}, ${when(row.at)}`),
    row.captions && el("q", {}, row.captions.join(" / ")),
    row.note && el("q", {}, row.note),
  );
}
