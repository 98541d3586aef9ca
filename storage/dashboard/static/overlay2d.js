/* The 2D joints over the video, in the picture's own pixels. */

import { sideColour } from "./joint_colours.js";

const BONE_PX = 2.5;
const JOINT_PX = 3.2;

/** Draws on `canvas`, which lies exactly over the picture; `draw(seconds)` takes the video's own time. */
export function startOverlay(canvas, overlay) {
  const pen = canvas.getContext("2d");
  const count = overlay.joint_names.length;
  const frames = overlay.joints.length / (count * 2);
  const colours = overlay.joint_names.map(sideColour);
  let drawn = null;

  const resize = () => {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (drawn !== null) draw(drawn);
  };

  /* A joint at a time, [x, y] in picture pixels; null where it was not seen in one of two frames. */
  function jointAt(joint, now, next, share) {
    const [a, b] = [now, next].map((frame) => (frame * count + joint) * 2);
    const [ax, ay, bx, by] = [overlay.joints[a], overlay.joints[a + 1], overlay.joints[b], overlay.joints[b + 1]];
    if (ax === null || bx === null) return null;
    return [ax + (bx - ax) * share, ay + (by - ay) * share];
  }

  function draw(seconds) {
    drawn = seconds;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    const place = (seconds - overlay.start_s) * overlay.fps;
    // Half a frame of grace: the motion's ends are where its own frames are, not the video's.
    if (!frames || place < -0.5 || place > frames - 0.5) return;
    const held = Math.min(Math.max(place, 0), frames - 1);
    const now = Math.floor(held);
    const points = overlay.joint_names.map((_, joint) => jointAt(joint, now, Math.min(now + 1, frames - 1), held - now));
    const scale = canvas.width / overlay.width;
    const ratio = window.devicePixelRatio || 1;
    pen.lineCap = "round";
    overlay.parents.forEach((parent, joint) => {
      if (parent < 0 || !points[parent] || !points[joint]) return;
      for (const [colour, extra] of [["rgba(0, 0, 0, 0.55)", 2], [colours[joint], 0]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = (BONE_PX + extra) * ratio;
        pen.beginPath();
        pen.moveTo(points[parent][0] * scale, points[parent][1] * scale);
        pen.lineTo(points[joint][0] * scale, points[joint][1] * scale);
        pen.stroke();
      }
    });
    points.forEach((point, joint) => {
      if (!point) return;
      pen.fillStyle = colours[joint];
      pen.beginPath();
      pen.arc(point[0] * scale, point[1] * scale, JOINT_PX * ratio, 0, 2 * Math.PI);
      pen.fill();
    });
  }

  const watcher = new ResizeObserver(resize);
  watcher.observe(canvas);
  resize();
  return { draw, close: () => watcher.disconnect() };
}
