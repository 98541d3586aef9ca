/* The 3D skeleton without WebGL: lines on a 2D canvas, drawn from far to near. Same handle as skeleton3d. */

import { jointColours } from "./joint_colours.js";
import { poseAt, reachOf, targetAt } from "./motion_data.js";

const BACKDROP = "#1e2229";
const GRID = "#4b535f";
const BONE_M = 0.06;
const HEAD_M = 0.1;
const CELL_M = 0.5;
const PITCH = (14 * Math.PI) / 180;
const TURN = 0.15;

export function startFlatSkeleton(stage, motion, { label = "3D skeleton", turn = 0 } = {}) {
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.dataset.arrows = "";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${label}; drag or arrow keys turn it`);
  canvas.style.touchAction = "pan-y";
  stage.prepend(canvas);
  const pen = canvas.getContext("2d");
  const pose = new Float32Array(motion.count * 3);
  const reach = reachOf(motion);
  const followers = new Set();
  let place = { yaw: ((motion.azimuth + turn) * Math.PI) / 180, pitch: PITCH };
  let mode = "sides";
  let time = 0;

  /* World metres to canvas pixels and depth (larger is nearer). */
  function project(point, centre, scale, middle) {
    const [x, y, z] = point.map((value, axis) => value - centre[axis]);
    const side = x * Math.cos(place.yaw) + z * Math.sin(place.yaw);
    const front = z * Math.cos(place.yaw) - x * Math.sin(place.yaw);
    const up = y * Math.cos(place.pitch) - front * Math.sin(place.pitch);
    return [middle[0] + side * scale, middle[1] - up * scale, y * Math.sin(place.pitch) + front * Math.cos(place.pitch)];
  }

  function draw(seconds = time) {
    time = Math.min(seconds, motion.duration);
    const { clientWidth: width, clientHeight: height } = stage;
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    pen.scale(ratio, ratio);
    pen.fillStyle = BACKDROP;
    pen.fillRect(0, 0, width, height);
    pen.lineCap = "round";
    const scale = Math.min(width, height) / 2 / reach;
    const centre = targetAt(motion, time);
    const seen = (point) => project(point, centre, scale, [width / 2, height / 2]);
    drawFloor(centre, seen);
    poseAt(motion, time, pose);
    drawBody(seen, scale);
  }

  function drawFloor(centre, seen) {
    pen.strokeStyle = GRID;
    pen.lineWidth = 1;
    const far = 2 * reach;
    for (const axis of [0, 2]) {
      for (let n = Math.ceil((centre[axis] - far) / CELL_M); n * CELL_M <= centre[axis] + far; n++) {
        pen.beginPath();
        for (const end of [-far, far]) {
          const point = [0, 0, 0];
          point[axis] = n * CELL_M;
          point[2 - axis] = centre[2 - axis] + end;
          pen.lineTo(...seen(point).slice(0, 2));
        }
        pen.stroke();
      }
    }
  }

  function drawBody(seen, scale) {
    const points = motion.names.map((_, j) => seen([...pose.subarray(j * 3, j * 3 + 3)]));
    const colours = jointColours(motion, mode, time);
    const head = motion.names.indexOf("head");
    const parts = motion.bones.map(([a, b]) => ({ a: points[a], b: points[b], colour: colours[b], width: BONE_M }));
    parts.push({ a: points[head], b: points[head], colour: colours[head], width: 2 * HEAD_M });
    parts.sort((one, two) => one.a[2] + one.b[2] - two.a[2] - two.b[2]);
    for (const { a, b, colour, width } of parts) {
      for (const [style, extra] of [["#0f1115", 2], [colour, 0]]) {
        pen.strokeStyle = style;
        pen.lineWidth = width * scale + extra;
        pen.beginPath();
        pen.moveTo(a[0], a[1]);
        pen.lineTo(b[0], b[1] + 0.01);
        pen.stroke();
      }
    }
  }

  function setView(next) {
    place = { ...next };
    draw();
  }
  function turnBy(right, up) {
    setView({ yaw: place.yaw + right, pitch: Math.min(Math.max(place.pitch + up, -0.3), 1.5) });
    followers.forEach((other) => other.setView(place));
  }
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) turnBy(event.movementX * 0.011, event.movementY * 0.008); });
  const keys = { ArrowLeft: [-TURN, 0], ArrowRight: [TURN, 0], ArrowUp: [0, TURN], ArrowDown: [0, -TURN] };
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.shiftKey) return;
    event.preventDefault();
    turnBy(...keys[event.key]);
  });
  const watcher = new ResizeObserver(() => draw());
  watcher.observe(stage);
  draw();
  return {
    canvas, draw, setView, kind: "flat",
    view: () => place,
    look: (yaw_deg, pitch = PITCH) => { setView({ yaw: (yaw_deg * Math.PI) / 180, pitch }); followers.forEach((other) => other.setView(place)); },
    setMode: (next) => { mode = next; draw(); },
    lead: (other) => followers.add(other),
    close: () => { watcher.disconnect(); canvas.remove(); },
  };
}
