/* What a joint's colour says: its side, how sure the estimator was of it, or its expected error. */

import { frameAt } from "./motion_data.js";

export const MODES = { sides: "Left and right", confidence: "2D confidence", error: "Expected error" };
export const LEFT = "#4f9bff";
export const RIGHT = "#f2605c";
export const MIDDLE = "#e8e6dc";
export const UNSEEN = "#7b828e";
/* From bad to good; differ in lightness too, for eyes that do not tell red from green. */
const RAMP = [[217, 72, 60], [232, 150, 70], [240, 213, 120], [150, 208, 160], [70, 178, 190]];
/* Expected errors that stand at the ramp's two ends, metres. */
export const ERROR_BAD_M = 0.15;
export const ERROR_GOOD_M = 0.02;

/** The modes that a motion has numbers for. */
export function modesOf(motion) {
  return Object.keys(MODES).filter((mode) => mode === "sides" || Boolean(motion[mode]));
}

export function sideColour(name) {
  if (name.startsWith("left")) return LEFT;
  return name.startsWith("right") ? RIGHT : MIDDLE;
}

/** Colours of all joints at a time, as `#rrggbb`. */
export function jointColours(motion, mode, time) {
  if (mode === "confidence" && motion.confidence) {
    const at = frameAt(motion, time) * motion.count;
    return motion.names.map((_, j) => confidenceColour(motion.mask[at + j] ? motion.confidence[at + j] : null));
  }
  if (mode === "error" && motion.error) return motion.error.map(errorColour);
  return motion.names.map(sideColour);
}

export const confidenceColour = (value) => (value === null || value === undefined ? UNSEEN : ramp(value));

export function errorColour(metres) {
  if (metres === null || metres === undefined) return UNSEEN;
  return ramp((ERROR_BAD_M - metres) / (ERROR_BAD_M - ERROR_GOOD_M));
}

function ramp(good) {
  const place = Math.min(Math.max(good, 0), 1) * (RAMP.length - 1);
  const low = Math.min(Math.floor(place), RAMP.length - 2);
  const parts = RAMP[low].map((value, n) => Math.round(value + (RAMP[low + 1][n] - value) * (place - low)));
  return `#${parts.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/** Words and colours of a mode's legend. */
export function legendOf(mode) {
  if (mode === "confidence") return [["sure", ramp(1)], ["half sure", ramp(0.5)], ["unsure", ramp(0)], ["not seen", UNSEEN]];
  if (mode === "error") return [[`under ${ERROR_GOOD_M * 100} cm`, ramp(1)], ["", ramp(0.5)], [`over ${ERROR_BAD_M * 100} cm`, ramp(0)]];
  return [["left", LEFT], ["right", RIGHT]];
}
