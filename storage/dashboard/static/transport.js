/* Play, scrub, speed, loop: the controls of one clock. */

import { el, select } from "./dom.js";
import { clockTime } from "./format.js";
import { SPEEDS } from "./player_clock.js";

const SCRUB_STEPS = 1000;

/** The bar for a clock; `fps` is what one step of the frame keys is. `more` goes to its end. */
export function transport(clock, fps, ...more) {
  const play = el("button", { type: "button", class: "play", onclick: () => clock.toggle() }, "Play");
  const scrub = el("input", { type: "range", min: 0, max: SCRUB_STEPS, step: 1, value: "0", "aria-label": "Position", class: "scrub" });
  const time = el("output", { class: "time" });
  const speed = select(SPEEDS.map((value) => [String(value), `${value}×`]), "1", { "aria-label": "Speed", onchange: () => clock.setSpeed(Number(speed.value)) });
  const loop = el("input", { type: "checkbox", checked: clock.loop, onchange: () => clock.setLoop(loop.checked) });
  scrub.addEventListener("input", () => { clock.pause(); clock.seek((scrub.value / SCRUB_STEPS) * clock.duration); });

  const showTime = () => {
    scrub.value = String(clock.duration ? Math.round((clock.time / clock.duration) * SCRUB_STEPS) : 0);
    const words = `${clockTime(clock.time)} / ${clockTime(clock.duration)}`;
    if (time.textContent !== words) time.textContent = words;
    if (!clock.playing) scrub.setAttribute("aria-valuetext", `${clock.time.toFixed(2)} of ${clock.duration.toFixed(2)} seconds`);
  };
  const showState = () => {
    play.textContent = clock.playing ? "Pause" : "Play";
    speed.value = String(clock.speed);
    loop.checked = clock.loop;
  };
  clock.addEventListener("tick", showTime);
  clock.addEventListener("state", showState);
  showTime();
  showState();
  return el("div", { class: "transport", role: "group", "aria-label": "Player" }, play, scrub, time, speed,
    el("label", { class: "check" }, loop, " Loop"), ...more);
}

/** The player's keys, for `bindKeys`. */
export function clockKeys(clock, fps) {
  const step = (seconds) => () => { clock.pause(); clock.seek(clock.time + seconds); };
  const faster = (by) => () => {
    const at = SPEEDS.indexOf(clock.speed) + by;
    if (SPEEDS[at]) clock.setSpeed(SPEEDS[at]);
  };
  return {
    " ": () => clock.toggle(), l: () => clock.setLoop(!clock.loop), "[": faster(-1), "]": faster(1),
    ArrowLeft: step(-1 / fps), ArrowRight: step(1 / fps), "Shift+ArrowLeft": step(-1), "Shift+ArrowRight": step(1),
  };
}
