/* Video with overlay beside the 3D, on one clock. The Look page and Ask show motions with it. */

import { videoUrl } from "./api.js";
import { clear, el } from "./dom.js";
import { startOverlay } from "./overlay2d.js";
import { PlayerClock } from "./player_clock.js";
import { colourChoice, showLegend, stage3d } from "./stage3d.js";
import { clockKeys, transport } from "./transport.js";

const TURN_DEG = 20;

/** `video`: {id, available, note, width, height, offset_s} or null; `start_s`: the motion's in the source. */
export function startViewer(motion, { video = null, start_s = 0, label = "3D skeleton" } = {}) {
  const clock = new PlayerClock(motion.duration);
  const solid = stage3d(motion, { label, turn: TURN_DEG, front: video?.available ? "Video's view" : "Front" });
  const picture = video ? videoStage(clock, motion, video, start_s) : null;
  const stages = el("div", { class: `stages${picture ? "" : " single"}` }, picture?.figure, solid.figure);
  let skeleton = null;
  const colours = colourChoice(motion, (mode) => {
    skeleton?.setMode(mode);
    showLegend(solid.legend, mode);
  });
  const bar = transport(clock, motion.fps, colours);
  const node = el("div", { class: "viewer" }, stages, bar);
  let closed = false;
  const ready = solid.ready.then((started) => {
    if (closed) return void started?.close();
    skeleton = started;
    node.dataset.kind = started?.kind ?? "none";
    clock.addEventListener("tick", () => skeleton?.draw(clock.time));
    skeleton?.draw(clock.time);
  });
  return {
    node, clock, ready,
    keys: clockKeys(clock, motion.fps),
    close: () => { closed = true; clock.close(); picture?.close(); skeleton?.close(); },
  };
}

function videoStage(clock, motion, video, start_s) {
  const ratio = (video.width || 4) / (video.height || 3);
  const stage = el("div", { class: "stage stage-video" });
  const note = el("p", { class: "stage-empty", role: "status" });
  const film = el("div", { class: "film", style: { aspectRatio: String(ratio), width: `min(100cqw, ${ratio * 100}cqh)` } });
  const figure = el("figure", { class: "stage-box" }, el("figcaption", {}, el("span", {}, "Video with 2D joints")), stage);
  if (!video.available) {
    clear(stage, el("p", { class: "stage-empty" }, video.note || "There is no video to this motion."));
    return { figure, close: () => {} };
  }
  const ending = new AbortController();
  const player = el("video", { muted: true, playsinline: true, preload: "auto", tabindex: "-1", "aria-label": "Source video" });
  player.muted = true;
  const canvas = el("canvas", { class: "overlay", "aria-hidden": "true" });
  clear(film, player, canvas);
  clear(stage, film, note);
  note.textContent = "Preparing the video…";
  const overlay = motion.overlay ? startOverlay(canvas, motion.overlay) : null;
  const offset = start_s - (video.offset_s ?? 0);
  player.addEventListener("loadeddata", () => { note.hidden = true; clock.follow(player, offset); }, { once: true });
  player.addEventListener("error", async () => {
    clock.unfollow();
    note.hidden = false;
    note.textContent = await whyNot(player.src, ending.signal);
    film.hidden = true;
  });
  const draw = () => overlay?.draw((clock.picture ?? clock.time) + start_s);
  clock.addEventListener("picture", draw);
  clock.addEventListener("tick", () => clock.picture === null && draw());
  draw();
  player.src = videoUrl(video.id);
  return { figure, close: () => { ending.abort(); overlay?.close(); player.removeAttribute("src"); player.load(); } };
}

/* The player only knows that it failed; the server has a sentence. */
async function whyNot(url, signal) {
  try {
    const answer = await fetch(url, { headers: { Range: "bytes=0-0" }, signal });
    if (answer.ok) return "This browser cannot play the video.";
    return (await answer.json()).error ?? "The video cannot be shown.";
  } catch {
    return "The video cannot be shown: the server did not send it.";
  }
}
