/* Two motions side by side on one clock: before and after a relabelling, label against generated, or any two. */

import { get } from "./api.js";
import { clear, el, errorState, field, loadingState, select } from "./dom.js";
import { fixed, jointText, metresAsMm, shortId, when } from "./format.js";
import { jointDistances, motionData } from "./motion_data.js";
import { queryOf } from "./motion_list.js";
import { PlayerClock } from "./player_clock.js";
import { address, go } from "./router.js";
import { bindKeys } from "./shortcuts.js";
import { stage3d } from "./stage3d.js";
import { clockKeys, transport } from "./transport.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const SHOWN_JOINTS = 22;

/** The address: `a`, `b` motion ids, `va`, `vb` versions, or `job` for one that the model made. */
export function open(place, params, store) {
  let close = show(place, params, store);
  return { update: (next) => { close(); close = show(place, next, store); }, close: () => close() };
}

function show(place, params, store) {
  const ending = new AbortController();
  const { signal } = ending;
  const parts = [];
  const back = () => (params.a ? go("motion", { id: params.a, ...queryOf(params) }) : history.back());
  bindKeys({ Escape: back });

  async function fetchSide(id, version, job) {
    if (job) return { id: null, title: "Generated", data: motionData(await get(`ask/${encodeURIComponent(job)}/arrays`, {}, { signal })) };
    if (!id) return null;
    const [detail, answer] = await Promise.all([get("motion", { id, version }, { signal }), get("arrays", { id, version }, { signal })]);
    return { id, detail, version, title: sideTitle(detail, version), data: motionData(answer) };
  }

  async function fill() {
    clear(place, loadingState("Loading both motions…"));
    try {
      const one = await fetchSide(params.a, params.va, null);
      const otherId = params.job ? null : (params.b ?? defaultOther(one, params));
      const other = await fetchSide(otherId, params.vb ?? (params.b ? undefined : defaultVersion(one, params)), params.job);
      if (!signal.aborted) build(one, other);
    } catch (error) {
      if (error.name !== "AbortError") clear(place, errorState(error.message, fill, true));
    }
  }

  function build(one, other) {
    clear(place, heading(params, one), chooser(params, one, store.limits.motion_chars), one && other && el("div", { class: "compare" }));
    if (!one || !other) return;
    const sides = [one, other].map((side, n) => stage3d(side.data, { title: side.title, label: `${n ? "Right" : "Left"}: ${side.title}`, look: n === 0 }));
    const clock = new PlayerClock(Math.max(one.data.duration, other.data.duration));
    clear(place.lastElementChild, el("div", { class: "stages" }, sides.map((side) => side.figure)), transport(clock, one.data.fps),
      one.data.joints && other.data.joints && differences(one, other));
    parts.push(clock);
    bindKeys({ Escape: back, ...clockKeys(clock, one.data.fps) });
    Promise.all(sides.map((side) => side.ready)).then(([left, right]) => {
      for (const skeleton of [left, right]) {
        if (!skeleton) continue;
        if (signal.aborted) skeleton.close();
        parts.push(skeleton);
        clock.addEventListener("tick", () => skeleton.draw(clock.time));
      }
      if (left && right && left.kind === right.kind) {
        left.lead(right);
        right.lead(left);
        right.setView(left.view());
      }
      if (!STILL.matches && !signal.aborted) clock.play();
    });
  }

  fill();
  return () => { ending.abort(); parts.forEach((part) => part.close()); };
}

/* Without another motion named: the same one, as it was labelled before. */
const defaultOther = (one, params) => (defaultVersion(one, params) === null ? null : one.id);

function defaultVersion(one, params) {
  const versions = (one?.detail?.versions ?? []).map((each) => each.version).sort((a, b) => b - a);
  const shown = Number(params.va ?? versions[0]);
  return versions.find((version) => version < shown) ?? versions.find((version) => version !== shown) ?? null;
}

function sideTitle(detail, version) {
  const made = (detail.versions ?? []).find((each) => String(each.version) === String(version));
  return `${detail.action ?? "Motion"} ${shortId(detail.motion_id)}${version ? `, version ${version}` : ""}${made ? `, ${when(made.at)}` : ""}`;
}

function heading(params, one) {
  return el("div", { class: "page-head" }, el("div", {},
    el("p", { class: "crumb" }, one?.id && el("a", { href: address("motion", { id: one.id, ...queryOf(params) }) }, "← Motion")),
    el("h1", {}, "Compare"), el("p", { class: "quiet" }, "One clock, one view: turning one turns the other.")));
}

/* Another version of the left motion, or another motion, by its id. */
function chooser(params, one, longest) {
  const versions = one?.detail?.versions ?? [];
  const other = el("input", { type: "text", placeholder: "Id of a motion", value: params.b ?? "", "aria-label": "Id of the right motion", maxlength: longest });
  const left = el("input", { type: "text", placeholder: "Id of a motion", value: params.a ?? "", "aria-label": "Id of the left motion", maxlength: longest });
  const apply = () => go("compare", { ...params, a: left.value.trim(), b: other.value.trim(), vb: other.value.trim() === (params.b ?? "") ? params.vb : "" });
  return el("form", { class: "card chooser", onsubmit: (event) => { event.preventDefault(); apply(); } },
    field("Left", left),
    versions.length > 1 && field("Left as of", select([["", "newest"], ...versions.map((each) => [String(each.version), `version ${each.version}`])], params.va ?? "", { onchange: (event) => go("compare", { ...params, va: event.target.value }) })),
    params.job ? el("p", { class: "quiet" }, "Right: generated by the model.") : field("Right", other),
    versions.length > 1 && !params.job && field("Right as of", select([["", "newest"], ...versions.map((each) => [String(each.version), `version ${each.version}`])], params.vb ?? "", { onchange: (event) => go("compare", { ...params, b: params.b || params.a, vb: event.target.value }) })),
    el("button", { type: "submit" }, "Compare"),
    versions.length < 2 && !params.b && !params.job && el("p", { class: "quiet" }, "This motion was labelled once. Name another motion to lay beside it."));
}

function differences(one, other) {
  const distances = jointDistances(one.data, other.data);
  const mean = distances.reduce((sum, value) => sum + value, 0) / distances.length;
  const largest = Math.max(...distances, 1e-6);
  const rows = distances.map((value, j) => [value, one.data.names[j]]).sort((a, b) => b[0] - a[0]).slice(0, SHOWN_JOINTS);
  return el("section", { class: "card" }, el("h2", {}, `They differ by ${metresAsMm(mean)}`, el("small", {}, `mean over joints and time, roots laid together, over the ${fixed(Math.min(one.data.duration, other.data.duration), 1, "s")} that both have`)),
    el("details", {}, el("summary", {}, "Joint by joint"), el("table", { class: "joints" }, el("tbody", {}, rows.map(([value, name]) => el("tr", {}, el("th", { scope: "row" }, jointText(name)),
      el("td", {}, el("span", { class: "meter", "aria-hidden": "true" }, el("i", { style: { width: `${(value / largest) * 100}%`, background: "var(--bar)" } })), el("span", { class: "num" }, metresAsMm(value)))))))));
}

