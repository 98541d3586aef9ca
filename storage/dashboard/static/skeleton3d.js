/* The 3D skeleton, by three.js: orbit with mouse, fingers or arrow keys; a floor of half metres. */

import * as THREE from "./vendor/three.module.js";
import { OrbitControls } from "./vendor/addons/controls/OrbitControls.js";
import { jointColours } from "./joint_colours.js";
import { poseAt, reachOf, targetAt } from "./motion_data.js";

const BACKDROP = "#1e2229";
const GRID = "#4b535f";
const PATH = "#d6c45c";
const BONE_M = 0.026;
const JOINT_M = 0.037;
const HEAD_M = 0.1;
const CELL_M = 0.5;
const FLOOR_CELLS = 20;
const FIELD_DEG = 32;
const PITCH = (14 * Math.PI) / 180;
const MOST_PIXEL_RATIO = 2;
const TURN = 0.15;
/* The furthest reach is seldom at the picture's edge: this much of it is fitted. */
const FITTED = 0.98;

const KEPT_RENDERERS = 2;

/* A context, its shaders and these parts are slow to make and the same for every motion: kept. */
const idle = [];
let abilities = null;
const SOLID = new THREE.MeshLambertMaterial();
const BALL = new THREE.SphereGeometry(1, 12, 8);
const STICK = new THREE.CylinderGeometry(1, 1, 1, 8).translate(0, 0.5, 0);
const FLOOR = floorGeometry();
const FLOOR_INK = new THREE.LineBasicMaterial({ color: GRID });
const PATH_INK = new THREE.LineBasicMaterial({ color: PATH });

/** Whether this browser can draw it at all. */
export function hasWebGl() {
  abilities ??= { any: probe({}), hardware: probe({ failIfMajorPerformanceCaveat: true }) };
  return abilities.any;
}

function probe(wanted) {
  const context = document.createElement("canvas").getContext("webgl2", wanted);
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(context);
}

/* Drawn by software, smooth edges cost more than they show. */
function makeRenderer() {
  const renderer = new THREE.WebGLRenderer({ antialias: abilities?.hardware ?? true, powerPreference: "high-performance" });
  renderer.setPixelRatio(abilities?.hardware === false ? 1 : Math.min(window.devicePixelRatio || 1, MOST_PIXEL_RATIO));
  renderer.setClearColor(BACKDROP);
  return renderer;
}

function giveBack(renderer) {
  renderer.domElement.remove();
  if (idle.length < KEPT_RENDERERS && !renderer.getContext().isContextLost()) return void idle.push(renderer);
  renderer.dispose();
  renderer.forceContextLoss();
}

/** Puts a canvas into `stage`. The handle: draw(time), setMode(mode), look(yaw_deg), follow another's view. */
export function startSkeleton(stage, motion, { label = "3D skeleton", turn = 0 } = {}) {
  const renderer = idle.pop() ?? makeRenderer();
  const ending = new AbortController();
  const canvas = renderer.domElement;
  canvas.tabIndex = 0;
  canvas.dataset.arrows = "";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${label}; drag or arrow keys turn it`);
  stage.prepend(canvas);

  const scene = new THREE.Scene();
  const body = buildBody(motion);
  const floor = new THREE.LineSegments(FLOOR, FLOOR_INK);
  const path = pathOf(motion);
  scene.add(floor, body.group, path, new THREE.HemisphereLight(0xffffff, 0x555566, 2.4));
  const sun = new THREE.DirectionalLight(0xffffff, 1.4);
  sun.position.set(2, 5, 3);
  scene.add(sun);

  const reach = reachOf(motion);
  scene.fog = new THREE.Fog(BACKDROP, 2 * reach, 10 * reach);
  const camera = new THREE.PerspectiveCamera(FIELD_DEG, 1, 0.1, 100);
  const controls = new OrbitControls(camera, canvas);
  Object.assign(controls, { enablePan: false, minDistance: 1, maxDistance: 30, maxPolarAngle: Math.PI * 0.55 });
  canvas.style.touchAction = "pan-y";
  const followers = new Set();
  let mode = "sides";
  let time = 0;

  function draw(seconds = time) {
    time = Math.min(seconds, motion.duration);
    const target = new THREE.Vector3(...targetAt(motion, time));
    camera.position.add(target).sub(controls.target);
    controls.target.copy(target);
    camera.lookAt(target);
    floor.position.set(Math.round(target.x / CELL_M) * CELL_M, 0, Math.round(target.z / CELL_M) * CELL_M);
    body.pose(time, mode);
    renderer.render(scene, camera);
  }

  /* From where the camera looks, relative to what it looks at. */
  const view = () => camera.position.clone().sub(controls.target);
  function setView(offset) {
    camera.position.copy(controls.target).add(offset);
    draw();
  }

  function turnBy(right, up) {
    const place = new THREE.Spherical().setFromVector3(view());
    place.theta -= right;
    place.phi = Math.min(Math.max(place.phi - up, 0.1), controls.maxPolarAngle);
    setView(new THREE.Vector3().setFromSpherical(place));
    tellFollowers();
  }

  const tellFollowers = () => followers.forEach((other) => other.setView(view()));
  controls.addEventListener("change", () => { draw(); tellFollowers(); });
  const keys = { ArrowLeft: [-TURN, 0], ArrowRight: [TURN, 0], ArrowUp: [0, TURN], ArrowDown: [0, -TURN] };
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.shiftKey) return;
    event.preventDefault();
    turnBy(...keys[event.key]);
  }, { signal: ending.signal });

  /* The camera's distance such that the whole motion fits, whatever the stage's shape. */
  function distance() {
    const half = Math.min(Math.tan(((FIELD_DEG / 2) * Math.PI) / 180), Math.tan(((FIELD_DEG / 2) * Math.PI) / 180) * camera.aspect);
    return (FITTED * reach) / Math.sin(Math.atan(half));
  }

  /** Look from an azimuth: 0 is the front that a level camera sees, as in `view_azimuth_deg`. */
  function look(yaw_deg, pitch = PITCH) {
    const yaw = (yaw_deg * Math.PI) / 180;
    setView(new THREE.Vector3(-Math.sin(yaw) * Math.cos(pitch), Math.sin(pitch), Math.cos(yaw) * Math.cos(pitch)).multiplyScalar(distance()));
    tellFollowers();
  }

  let placed = false;
  const resize = () => {
    const { clientWidth: width, clientHeight: height } = stage;
    if (!width || !height) return;
    renderer.setSize(width, height, false);
    camera.aspect = width / height;
    camera.updateProjectionMatrix();
    if (placed) draw();
    else look(motion.azimuth + turn);
    placed = true;
  };
  const watcher = new ResizeObserver(resize);
  watcher.observe(stage);
  resize();
  return {
    canvas, draw, look, view, setView, kind: "webgl",
    setMode: (next) => { mode = next; draw(); },
    lead: (other) => followers.add(other),
    close: () => {
      watcher.disconnect();
      ending.abort();
      controls.dispose();
      body.close();
      path.geometry.dispose();
      giveBack(renderer);
    },
  };
}

function buildBody(motion) {
  const joints = new THREE.InstancedMesh(BALL, SOLID, motion.count);
  const bones = new THREE.InstancedMesh(STICK, SOLID, motion.bones.length);
  joints.frustumCulled = bones.frustumCulled = false;
  const group = new THREE.Group();
  group.add(joints, bones);
  const pose = new Float32Array(motion.count * 3);
  const head = motion.names.indexOf("head");
  const up = new THREE.Vector3(0, 1, 0);
  const [from, to, matrix, turn, size, colour] = [new THREE.Vector3(), new THREE.Vector3(), new THREE.Matrix4(), new THREE.Quaternion(), new THREE.Vector3(), new THREE.Color()];

  function placeBone(n, parent, joint) {
    from.fromArray(pose, parent * 3);
    to.fromArray(pose, joint * 3).sub(from);
    const length = to.length();
    turn.setFromUnitVectors(up, length > 1e-6 ? to.divideScalar(length) : up);
    bones.setMatrixAt(n, matrix.compose(from, turn, size.set(BONE_M, Math.max(length, 1e-4), BONE_M)));
  }

  return {
    group,
    close: () => { joints.dispose(); bones.dispose(); },
    pose(time, mode) {
      poseAt(motion, time, pose);
      const colours = jointColours(motion, mode, time);
      motion.names.forEach((_, j) => {
        const radius = j === head ? HEAD_M : JOINT_M;
        joints.setMatrixAt(j, matrix.makeScale(radius, radius, radius).setPosition(pose[j * 3], pose[j * 3 + 1], pose[j * 3 + 2]));
        joints.setColorAt(j, colour.set(colours[j]));
      });
      motion.bones.forEach(([parent, joint], n) => {
        placeBone(n, parent, joint);
        bones.setColorAt(n, colour.set(colours[joint]));
      });
      for (const mesh of [joints, bones]) mesh.instanceMatrix.needsUpdate = mesh.instanceColor.needsUpdate = true;
    },
  };
}

/* Cell by cell: a line that runs on behind the camera is dropped whole by some software renderers. */
function floorGeometry() {
  const ends = [];
  for (let line = -FLOOR_CELLS; line <= FLOOR_CELLS; line++) {
    for (let cell = -FLOOR_CELLS; cell < FLOOR_CELLS; cell++) {
      ends.push([line, 0, cell], [line, 0, cell + 1], [cell, 0, line], [cell + 1, 0, line]);
    }
  }
  const points = new THREE.BufferGeometry();
  points.setAttribute("position", new THREE.Float32BufferAttribute(ends.flat().map((value) => value * CELL_M), 3));
  return points;
}

/* Where the root went, on the ground. */
function pathOf(motion) {
  const points = [];
  for (let t = 0; t < motion.frames; t++) {
    const at = t * motion.count * 3;
    points.push(new THREE.Vector3(motion.joints[at], 0.004, motion.joints[at + 2]));
  }
  return new THREE.Line(new THREE.BufferGeometry().setFromPoints(points), PATH_INK);
}
