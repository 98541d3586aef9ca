"""A GLB opened by three.js in a real Chromium, from a server on this machine."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from chromium import FLAGS, program
from playwright.sync_api import Page, sync_playwright

VENDOR = Path(__file__).resolve().parent.parent / "storage" / "dashboard" / "static" / "vendor"
SOFTWARE_GL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
PAGE = """<!doctype html><meta charset="utf-8"><title>GLB</title>
<link rel="icon" href="data:,"><body style="margin:0"><script type="module">
import * as THREE from './vendor/three.module.js';
import { GLTFLoader } from './vendor/addons/loaders/GLTFLoader.js';
const gltf = await new GLTFLoader().loadAsync('./motion.glb');
const scene = new THREE.Scene();
scene.add(gltf.scene);
const mixer = new THREE.AnimationMixer(gltf.scene);
for (const clip of gltf.animations) mixer.clipAction(clip).play();
const bones = [], meshes = [];
gltf.scene.traverse(it => {
  if (it.isBone) bones.push(it);
  if (it.isSkinnedMesh) meshes.push(it);
});
window.pose = time => {
  mixer.setTime(time);
  scene.updateMatrixWorld(true);
  const joints = {}, at = new THREE.Vector3();
  for (const bone of bones) joints[bone.name] = bone.getWorldPosition(at).toArray();
  const box = new THREE.Box3();
  for (const mesh of meshes) {
    mesh.skeleton.update();
    for (let i = 0; i < mesh.geometry.attributes.position.count; i += 1) {
      box.expandByPoint(mesh.localToWorld(mesh.getVertexPosition(i, at)));
    }
  }
  return { joints, low: box.min.toArray(), high: box.max.toArray() };
};
window.about = { duration: gltf.animations[0].duration, name: gltf.animations[0].name,
  bones: bones.length, meshes: meshes.length, extras: gltf.asset.extras };
window.draw = (time, azimuth) => {
  const { low, high } = window.pose(time);
  scene.background = new THREE.Color(0x1e2229);
  scene.add(new THREE.HemisphereLight(0xffffff, 0x444444, 3), new THREE.GridHelper(8, 16));
  const renderer = new THREE.WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
  renderer.setSize(360, 360);
  document.body.append(renderer.domElement);
  const camera = new THREE.PerspectiveCamera(35, 1, 0.1, 100);
  const middle = low.map((v, i) => (v + high[i]) / 2);
  camera.position.set(middle[0] + 4 * Math.sin(azimuth), 1.6, middle[2] + 4 * Math.cos(azimuth));
  camera.lookAt(...middle);
  renderer.render(scene, camera);
};
window.ready = true;
</script>"""


@contextmanager
def opened(glb: Path, folder: Path) -> Iterator[tuple[Page, list[str]]]:
    """The page once three.js has loaded the file, and what it complained about."""
    chromium = program()
    shutil.copytree(VENDOR, folder / "vendor")
    shutil.copy(glb, folder / "motion.glb")
    (folder / "page.html").write_text(PAGE)
    complaints: list[str] = []
    with served(folder) as url, sync_playwright() as playwright:
        flags = [flag for flag in FLAGS if flag != "--disable-gpu"] + SOFTWARE_GL
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{url}/page.html")
        page.wait_for_function("window.ready === true", timeout=30_000)
        yield page, complaints
        browser.close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder on a free port of this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pose(page: Page, time_s: float) -> dict:
    """Joints by bone name and the skinned mesh's bounds at a time, metres."""
    return json.loads(page.evaluate(f"JSON.stringify(window.pose({time_s}))"))
