/* A place where a motion stands in 3D: by WebGL, else flat and saying so, else the reason why not. */

import { button, clear, el } from "./dom.js";
import { legendOf, MODES, modesOf } from "./joint_colours.js";

const SIDE_DEG = 90;

/** A figure and, once ready, its handle (see skeleton3d.js); `ready` gives null when there is no 3D. */
export function stage3d(motion, { title = "3D", label = "3D skeleton", turn = 0, look = true, front = "Front" } = {}) {
  const stage = el("div", { class: "stage stage-3d" });
  const legend = el("span", { class: "legend" });
  const note = el("p", { class: "stage-note", hidden: true });
  const tools = el("span", { class: "stage-tools" });
  const figure = el("figure", { class: "stage-box" }, el("figcaption", {}, el("span", {}, title), legend, tools), stage, note);
  if (!motion.joints) {
    clear(stage, el("p", { class: "stage-empty" }, "This motion has 2D only: nothing was lifted."));
    return { figure, stage, ready: Promise.resolve(null) };
  }
  const ready = start(stage, motion, { label, turn, note }).then((skeleton) => {
    clear(tools, look && [
      button(front, () => skeleton.look(motion.azimuth), { class: "plain small", title: front === "Front" ? "Look from the front" : "Look as the camera did" }),
      button("Side", () => skeleton.look(motion.azimuth + SIDE_DEG), { class: "plain small", title: "Look from a quarter turn away: depth shows" }),
    ]);
    return skeleton;
  });
  showLegend(legend, "sides");
  return { figure, stage, legend, ready };
}

async function start(stage, motion, { label, turn, note }) {
  let problem = "This browser has no WebGL";
  try {
    const solid = await import("./skeleton3d.js");
    if (solid.hasWebGl()) return solid.startSkeleton(stage, motion, { label, turn });
  } catch (error) {
    problem = `3D could not be started (${error.message})`;
  }
  const { startFlatSkeleton } = await import("./flat_skeleton.js");
  note.textContent = `${problem}: the skeleton is drawn flat, without light and perspective.`;
  note.hidden = false;
  return startFlatSkeleton(stage, motion, { label, turn });
}

export function showLegend(place, mode) {
  clear(place, legendOf(mode).map(([text, colour]) => [el("i", { style: { background: colour } }), el("span", {}, text)]));
}

/** A choice of what the colours say; null where there is only one. */
export function colourChoice(motion, onchange) {
  const modes = modesOf(motion);
  if (modes.length < 2) return null;
  const choice = el("select", { "aria-label": "Joint colours", onchange: () => onchange(choice.value) }, modes.map((mode) => el("option", { value: mode }, MODES[mode])));
  return choice;
}
