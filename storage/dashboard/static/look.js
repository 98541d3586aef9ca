/* Look: one motion, everything about it, and what to do with it. */

import { get } from "./api.js";
import { asDecided, decisions } from "./decide.js";
import { decidePanel } from "./decide_panel.js";
import { button, clear, el, errorState, loadingState } from "./dom.js";
import { count, duration, percent, shortId } from "./format.js";
import { motionData } from "./motion_data.js";
import { jointsCard, lineageCard, neighboursCard, qualityCard, versionsCard } from "./motion_facts.js";
import { listOf, queryOf } from "./motion_list.js";
import { address, go } from "./router.js";
import { bindKeys } from "./shortcuts.js";
import { startViewer } from "./viewer.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");

export function open(place, params, store) {
  let close = show(place, params, store);
  return {
    update: (next) => { close(); close = show(place, next, store); },
    close: () => close(),
  };
}

function show(place, params, store) {
  const ending = new AbortController();
  const { signal } = ending;
  const query = queryOf(params);
  const list = listOf(query);
  const id = params.id ?? "";
  let viewer = null;
  const back = () => go("browse", query);
  const move = (step) => moveBy(list, query, id, step);
  const keys = { j: () => move(1), k: () => move(-1), Escape: back };
  bindKeys(keys);

  async function fill() {
    clear(place, loadingState("Loading the motion…"));
    try {
      const asked = { id, version: params.version };
      const fetched_ms = performance.now();
      const [detail, answer] = await Promise.all([get("motion", asked, { signal }), get("arrays", asked, { signal })]);
      detail.fetched_ms = fetched_ms;
      if (!signal.aborted) build(detail, motionData(answer));
    } catch (error) {
      if (error.name !== "AbortError") clear(place, errorState(error.message, fill, true), el("p", {}, el("a", { href: address("browse", query) }, "Back to the grid")));
    }
  }

  function build(detail, motion) {
    viewer = startViewer(motion, { video: detail.video && { ...detail.video, id }, start_s: motionStart(detail), label: `${detail.action ?? "motion"}, 3D skeleton` });
    const panel = decidePanel(detail, store, { signal, afterVerdict: () => list.query.verdict && move(1) });
    panel.showHistory(detail.history ?? [], detail.original);
    clear(place, heading(detail, params, query, list, move), el("div", { class: "look" },
      el("div", { class: "look-main" }, viewer.node),
      panel.node,
      el("div", { class: "cards look-facts" }, qualityCard(detail), jointsCard(motion), versionsCard(detail, query), neighboursCard(detail, query), lineageCard(detail))));
    document.title = `${detail.action ?? "Motion"} ${shortId(id)} – CrossDiff`;
    const compareHref = () => go("compare", { a: id, va: params.version, ...query });
    bindKeys({ ...keys, ...viewer.keys, a: () => panel.verdict("keep"), d: () => panel.verdict("drop"), w: () => panel.verdict("needs-work"), e: panel.editCaptions, b: compareHref });
    if (params.edit) panel.editCaptions();
    if (!STILL.matches) viewer.clock.play();
    decisions.addEventListener("change", async (event) => {
      if (!event.detail.has(id) || asDecided(detail).saving) return;
      try {
        const fresh = await get("motion", { id, version: params.version }, { signal });
        panel.showHistory(fresh.history ?? [], fresh.original);
      } catch (error) {
        if (error.name !== "AbortError") panel.showHistory(detail.history ?? [], detail.original);
      }
    }, { signal });
  }

  fill();
  return () => { ending.abort(); viewer?.close(); };
}

const motionStart = (detail) => detail.start_s ?? 0;

function heading(detail, params, query, list, move) {
  const at = list.indexOf(detail.motion_id);
  const place = at >= 0 && list.total ? `${count(at + 1)} of ${count(list.total)}` : "";
  const badges = [detail.dataset, detail.source_kind === "mocap" ? "motion capture" : detail.view_name && `view ${detail.view_name}`, detail.visible && detail.visible !== "full" && `${detail.visible} body`,
    duration(detail.seconds), typeof detail.label_score === "number" && `score ${percent(detail.label_score)}`, params.version && `version ${params.version}`];
  return el("div", { class: "page-head look-head" },
    el("div", {},
      el("p", { class: "crumb" }, el("a", { href: address("browse", query) }, "← Grid"), place && el("span", { class: "quiet" }, place)),
      el("h1", {}, detail.action ?? "Motion", el("small", {}, el("code", { title: detail.motion_id }, detail.motion_id))),
      el("p", { class: "badges" }, badges.filter(Boolean).map((text) => el("span", { class: "badge" }, text)))),
    el("div", { class: "row" },
      el("a", { class: "button", href: address("compare", { a: detail.motion_id, va: params.version, ...query }) }, "Compare"),
      button("← Previous", () => move(-1), { "aria-keyshortcuts": "k" }), button("Next →", () => move(1), { "aria-keyshortcuts": "j" })));
}

/* To the neighbour in the list; a list that was never seen (a sent link) is fetched from its start. */
async function moveBy(list, query, id, step) {
  if (list.total === null) await list.need(0, 0);
  const at = list.indexOf(id);
  const target = at < 0 ? 0 : at + step;
  if (target < 0 || target >= (list.total ?? 0)) return;
  await list.need(target, target);
  const row = list.rows[target];
  if (!row) return;
  list.at = target;
  go("motion", { id: row.motion_id, ...query });
}
