/* Players: joints in millimetres, drawn as lines from far to near. A view is what its players are
   looked at from; drag or arrow keys turn it, and with it all of them. */

const rigs = JSON.parse(document.getElementById("rigs").textContent);
const ELEVATION = 14 * Math.PI / 180;
const FOLLOW_S = 1.2;
const BACKDROP = "#1e2229";
const GRID = "#4b535f";
const PATH = "#d6c45c";
const BONE_M = 0.06;
const HEAD_M = 0.105;
/* The function that stops what is playing: only one thing on the page does. */
let playing = null;

function unpack(text, frames, joints) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const motion = [];
  for (let t = 0; t < frames; t++) {
    const pose = [];
    for (let j = 0; j < joints; j++) {
      const at = (t * joints + j) * 6;
      pose.push([0, 2, 4].map((byte) => view.getInt16(at + byte, true) / 1000));
    }
    motion.push(pose);
  }
  return motion;
}

/* What the camera looks at: the root's ground position and the body's middle height, averaged. */
function targets(motion, fps) {
  const wanted = motion.map((pose) => {
    const heights = pose.map((p) => p[1]);
    return [pose[0][0], (Math.min(...heights) + Math.max(...heights)) / 2, pose[0][2]];
  });
  return wanted.map((_, t) => {
    const reach = Math.min(Math.round(FOLLOW_S * fps), t, wanted.length - 1 - t);
    const sum = [0, 0, 0];
    for (let k = -reach; k <= reach; k++) {
      for (let axis = 0; axis < 3; axis++) sum[axis] += wanted[t + k][axis];
    }
    return sum.map((value) => value / (2 * reach + 1));
  });
}

function reachOf(motion, target) {
  let far = 0.8;
  motion.forEach((pose, t) => {
    for (const p of pose) far = Math.max(far, Math.hypot(...p.map((v, axis) => v - target[t][axis])));
  });
  return far + HEAD_M;
}

class View {
  constructor(azimuth_deg) {
    this.yaw = azimuth_deg * Math.PI / 180;
    this.pitch = ELEVATION;
    this.players = [];
  }

  turn(right, up) {
    this.yaw += right;
    this.pitch = Math.min(Math.max(this.pitch + up, -0.3), 1.5);
    for (const player of this.players) player.draw();
  }
}

class Player {
  constructor(stage, view) {
    const { joints, frames, fps, skeleton, label = "" } = stage.dataset;
    this.rig = rigs[skeleton];
    this.fps = Number(fps);
    this.motion = unpack(joints, Number(frames), this.rig.joints);
    this.target = targets(this.motion, this.fps);
    this.reach = reachOf(this.motion, this.target);
    this.view = view;
    this.frame = (this.motion.length - 1) / 2;
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${label}${label && ": "}3D motion; arrow keys turn it`);
    stage.replaceChildren(this.canvas);
    this.listen();
    view.players.push(this);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  listen() {
    this.canvas.addEventListener("pointerdown", (event) => this.canvas.setPointerCapture(event.pointerId));
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) this.view.turn(event.movementX * 0.011, event.movementY * 0.008);
    });
    const keys = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    this.canvas.addEventListener("keydown", (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      this.view.turn(...keys[event.key]);
    });
  }

  /* World metres to canvas pixels and depth (larger is nearer). */
  project(p, centre) {
    const [x, y, z] = p.map((value, axis) => value - centre[axis]);
    const side = x * Math.cos(this.view.yaw) + z * Math.sin(this.view.yaw);
    const front = z * Math.cos(this.view.yaw) - x * Math.sin(this.view.yaw);
    const up = y * Math.cos(this.view.pitch) - front * Math.sin(this.view.pitch);
    const near = y * Math.sin(this.view.pitch) + front * Math.cos(this.view.pitch);
    return [this.middle[0] + side * this.scale, this.middle[1] - up * this.scale, near];
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.middle = [width / 2, height / 2];
    this.scale = Math.min(width, height) / 2 / this.reach;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.fillStyle = BACKDROP;
    pen.fillRect(0, 0, width, height);
    pen.lineCap = "round";
    const now = Math.floor(this.frame);
    const next = Math.min(now + 1, this.motion.length - 1);
    const share = this.frame - now;
    const blend = (a, b) => a.map((value, axis) => value + (b[axis] - value) * share);
    const centre = blend(this.target[now], this.target[next]);
    this.drawGround(pen, centre, now);
    this.drawBody(pen, this.motion[now].map((p, j) => blend(p, this.motion[next][j])), centre);
  }

  drawGround(pen, centre, now) {
    const cell = 0.5;
    const radius = 1.7 * this.reach;
    pen.lineWidth = 1;
    pen.strokeStyle = GRID;
    for (const axis of [0, 2]) {
      const other = 2 - axis;
      for (let n = Math.ceil((centre[axis] - radius) / cell); n * cell <= centre[axis] + radius; n++) {
        const half = Math.sqrt(Math.max(radius ** 2 - (n * cell - centre[axis]) ** 2, 0));
        pen.globalAlpha = (n % 2 ? 0.25 : 0.6) * half / radius;
        this.polyline(pen, [-half, half].map((along) => {
          const p = [0, 0, 0];
          p[axis] = n * cell;
          p[other] = centre[other] + along;
          return p;
        }), centre);
      }
    }
    pen.strokeStyle = PATH;
    const path = this.motion.map((pose) => [pose[0][0], 0, pose[0][2]]);
    pen.globalAlpha = 0.3;
    this.polyline(pen, path.slice(now), centre);
    pen.globalAlpha = 1;
    this.polyline(pen, path.slice(0, now + 1), centre);
  }

  polyline(pen, points, centre) {
    pen.beginPath();
    for (const p of points) pen.lineTo(...this.project(p, centre).slice(0, 2));
    pen.stroke();
  }

  drawBody(pen, pose, centre) {
    const seen = pose.map((p) => this.project(p, centre));
    const bones = this.rig.bones.map(([a, b], n) => ({ a: seen[a], b: seen[b], colour: this.rig.colours[n] }));
    const head = seen[this.rig.head];
    bones.push({ a: head, b: head, colour: "#e8e6dc", width: 2 * HEAD_M });
    bones.sort((one, two) => one.a[2] + one.b[2] - two.a[2] - two.b[2]);
    for (const { a, b, colour, width = BONE_M } of bones) {
      for (const [style, extra] of [["#0f1115", 2], [colour, 0]]) {
        pen.strokeStyle = style;
        pen.lineWidth = width * this.scale + extra;
        pen.beginPath();
        pen.moveTo(a[0], a[1]);
        pen.lineTo(b[0], b[1] + 0.01);
        pen.stroke();
      }
    }
  }
}
