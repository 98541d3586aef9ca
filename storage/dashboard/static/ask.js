/* Ask the model: a sentence, and the motion that it makes of it, in the same viewer. */

import { get, send } from "./api.js";
import { button, clear, el, emptyState, errorState, field } from "./dom.js";
import { fixed, percent } from "./format.js";
import { motionData } from "./motion_data.js";
import { address, go } from "./router.js";
import { bindKeys } from "./shortcuts.js";
import { startViewer } from "./viewer.js";

const POLL_MS = 400;
const RUNNING = ["queued", "running"];
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const DEFAULTS = { seconds: 4, seed: 0, guidance: 2.5 };

export function open(place, params, store) {
  const ending = new AbortController();
  const { signal } = ending;
  let viewer = null;
  let job = null;
  const model = store.model ?? {};
  if (!model.available) {
    clear(place, el("h1", {}, "Ask the model"), emptyState("No model is here to ask.", model.note ?? "Start the dashboard with a checkpoint: crossdiff dashboard --checkpoint DIR."));
    return { close: () => {} };
  }
  const [least, most] = store.limits?.ask_seconds ?? [2, 9.8];
  const text = el("input", { type: "text", required: true, maxlength: store.limits?.ask_chars ?? 300, placeholder: "a person walks in a circle", value: params.text ?? "", autocomplete: "off" });
  const seconds = el("input", { type: "number", min: least, max: most, step: 0.1, value: params.seconds ?? String(DEFAULTS.seconds), required: true });
  const seed = el("input", { type: "number", min: 0, max: 2 ** 31 - 1, step: 1, value: params.seed ?? String(DEFAULTS.seed), required: true });
  const guidance = el("input", { type: "number", min: 0, max: 20, step: 0.1, value: params.guidance ?? String(DEFAULTS.guidance), required: true });
  const start = el("button", { type: "submit", class: "primary" }, "Make the motion");
  const state = el("div", { class: "ask-state", role: "status" });
  const result = el("div", {});
  const form = el("form", { class: "card ask-form" }, field("A sentence", text, "broad"), field(`Seconds (${least}–${most})`, seconds), field("Seed", seed), field("Guidance", guidance), start);
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  clear(place, el("div", { class: "page-head" }, el("div", {}, el("h1", {}, "Ask the model"), el("p", { class: "quiet" }, model.name ?? "", model.note ? ` – ${model.note}` : ""))), form, state, result);

  async function ask() {
    const wanted = { text: text.value.trim(), seconds: Number(seconds.value), seed: Number(seed.value), guidance: Number(guidance.value) };
    start.disabled = true;
    viewer?.close();
    viewer = null;
    clear(result);
    bindKeys({});
    show("Sending…");
    try {
      ({ job } = await send("ask", wanted, { signal }));
      go("ask", { ...wanted, job }, { replace: true });
      await watch(job);
    } catch (error) {
      if (error.name !== "AbortError") clear(state, errorState(error.message, ask));
    }
    start.disabled = false;
  }

  function show(words, progress = null, stop = null) {
    const bar = el("progress", { max: 1, "aria-label": "Progress" });
    if (progress !== null) bar.value = progress;
    clear(state, el("div", { class: "row" }, bar, el("span", {}, words), stop && button("Cancel", stop)));
  }

  async function watch(name) {
    const cancel = async () => {
      show("Cancelling…");
      try {
        await send(`ask/${encodeURIComponent(name)}`, {}, { method: "DELETE", signal });
      } catch (error) {
        if (error.name !== "AbortError") clear(state, errorState(error.message));
      }
    };
    for (;;) {
      const now = await get(`ask/${encodeURIComponent(name)}`, {}, { signal });
      if (!RUNNING.includes(now.state)) return finish(name, now);
      const percentDone = now.progress === null || now.progress === undefined ? "" : ` ${percent(now.progress)}`;
      const doing = now.message || (now.state === "queued" ? "waiting for its turn" : "making the motion");
      show(`${doing.charAt(0).toUpperCase()}${doing.slice(1)}${percentDone}`, now.progress ?? null, cancel);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      if (signal.aborted) return null;
    }
  }

  async function finish(name, now) {
    if (now.state === "cancelled") return void clear(state, emptyState("Cancelled.", "Nothing was made."));
    if (now.state !== "done") return void clear(state, errorState(now.message || "The model made nothing.", ask));
    const motion = motionData(await get(`ask/${encodeURIComponent(name)}/arrays`, {}, { signal }));
    const compareWith = el("input", { type: "text", placeholder: "Id of a motion", "aria-label": "Id of a motion to compare with", maxlength: store.limits.motion_chars });
    const compare = el("form", { class: "row", onsubmit: (event) => { event.preventDefault(); if (compareWith.value.trim()) go("compare", { a: compareWith.value.trim(), job: name }); } }, compareWith, el("button", { type: "submit" }, "Compare with it"));
    clear(state, el("p", {}, `Made ${fixed(motion.duration, 1, "s")} of motion.`));
    viewer = startViewer(motion, { label: "Generated motion, 3D skeleton" });
    clear(result, viewer.node, el("section", { class: "card" }, el("h2", {}, "Beside a label"), compare, el("p", { class: "quiet" }, "Ids are in the address and the heading of every motion in the ", el("a", { href: address("browse") }, "grid"), ".")));
    bindKeys(viewer.keys);
    if (!STILL.matches) viewer.clock.play();
  }

  if (params.job) {
    job = params.job;
    watch(job).catch((error) => error.name !== "AbortError" && clear(state, errorState("That motion is not kept any more: make it again.")));
  }
  // The address follows the form while a job runs: the page itself has nothing to do about it.
  return { update: (next) => { if (!next.job) { clear(state); clear(result); } }, close: () => { ending.abort(); viewer?.close(); } };
}
