"""Exported GLB: the Khronos validator has nothing to say, three.js plays it."""

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pygltflib
import pytest
from glb_page import VENDOR, opened, pose
from test_export_rotations import MOTIONS

from pipeline.export.body_mesh import body_parts
from pipeline.export.glb import write_glb
from pipeline.export.inverse_kinematics import RigMotion, at_fps, bone_places, fit_rig
from pipeline.render.palette import Limb

VALIDATE = Path(__file__).resolve().parent / "vendor" / "gltf-validator" / "validate.cjs"
MILLIMETRE = 1e-3


def validated(path: Path) -> dict:
    node = shutil.which("node")
    if node is None:
        says = "no node on the PATH to run the glTF validator with"
        pytest.fail(says) if os.environ.get("CI") else pytest.skip(says)
    done = subprocess.run(
        [node, str(VALIDATE), str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def written(tmp_path: Path, motion: RigMotion, name: str = "a person walks") -> Path:
    path = tmp_path / "motion.glb"
    write_glb(motion, path, name=name, about={"motion_id": "x", "captions": [name]})
    return path


def rigged(name: str = "Cartwheel", **how: bool) -> RigMotion:
    return fit_rig(MOTIONS[name], 20.0, **how)


@pytest.mark.parametrize("case", ["clip", "plain", "fast", "one frame", "odd name"])
def test_the_validator_finds_nothing_at_all(tmp_path, case):
    motion = {
        "plain": lambda: rigged(helpers=False),
        "fast": lambda: at_fps(rigged("SitDown"), 60.0),
        "one frame": lambda: fit_rig(MOTIONS["Cartwheel"][:1], 20.0),
    }.get(case, rigged)()
    path = written(tmp_path, motion, 'Übung "1"\n<b>' if case == "odd name" else "walk")
    report = validated(path)
    assert report["issues"]["messages"] == []
    assert [report["issues"][kind] for kind in ("numErrors", "numWarnings")] == [0, 0]
    assert (report["info"]["animationCount"], report["info"]["hasSkins"]) == (1, True)
    assert [p.name for p in tmp_path.iterdir()] == ["motion.glb"]


def test_the_validator_would_find_something(tmp_path):
    path = written(tmp_path, rigged())
    raw = bytearray(path.read_bytes())
    (length,) = struct.unpack_from("<I", raw, 12)
    raw[20 : 20 + length] = raw[20 : 20 + length].replace(b'"VEC4"', b'"VEC3"', 1)
    path.write_bytes(raw)
    assert validated(path)["issues"]["numErrors"] > 0


def test_nodes_are_named_bones_in_a_t_pose_on_the_floor(tmp_path):
    motion = rigged()
    model = pygltflib.GLTF2().load(str(written(tmp_path, motion)))
    assert model is not None
    assert tuple(node.name for node in model.nodes) == (*motion.rig.names, "Body")
    heights = {0: 0.0}
    for index, node in enumerate(model.nodes[:-1]):
        for child in node.children or []:
            heights[child] = heights[index] + model.nodes[child].translation[1]
    root = model.nodes[0].translation[1]
    assert min(heights.values()) + root == pytest.approx(0.0, abs=1e-6)
    animated = {c.target.node for c in model.animations[0].channels if c.target.path == "rotation"}
    assert {motion.rig.names.index(n) for n in ("Hips", "LeftLeg", "RightForeArm")} <= animated
    assert model.asset.extras["captions"] == ["a person walks"]


def test_the_body_has_both_sides_and_every_corner_a_bone():
    rig = rigged().rig
    parts = {part.limb: part for part in body_parts(rig)}
    assert set(parts) == set(Limb)
    for limb, sign in ((Limb.LEFT_ARM, 1), (Limb.RIGHT_ARM, -1), (Limb.LEFT_LEG, 1)):
        assert np.sign(parts[limb].positions[:, 0].mean()) == sign
    for part in parts.values():
        assert part.triangles.max() < len(part.positions)
        np.testing.assert_allclose(np.linalg.norm(part.normals, axis=1), 1.0, atol=1e-5)
        assert part.bones.max() < len(rig.names)
        corners = part.positions[part.triangles]
        outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        facing = (outward * part.normals[part.triangles].mean(axis=1)).sum(axis=1)
        assert (facing > 0).all()  # no triangle is seen from inside, none is empty


@pytest.mark.browser
def test_three_js_puts_every_joint_where_kinematics_do(tmp_path):
    if not VENDOR.is_dir():
        pytest.fail("three.js is not in storage/dashboard/static/vendor")
    motion = rigged()
    path = written(tmp_path, motion)
    places = bone_places(motion)
    (tmp_path / "served").mkdir()
    with opened(path, tmp_path / "served") as (page, complaints):
        about = page.evaluate("window.about")
        assert about["name"] == "a person walks"
        assert about["bones"] == len(motion.rig.names)
        assert about["duration"] == pytest.approx((motion.n_frames - 1) / motion.fps)
        for frame in (0, motion.n_frames // 2, motion.n_frames - 2):
            found = pose(page, frame / motion.fps)
            apart = [
                np.abs(np.array(found["joints"][name]) - places[frame, bone]).max()
                for bone, name in enumerate(motion.rig.names)
            ]
            assert max(apart) < MILLIMETRE
            # The skinned body surrounds its joints, by no more than its thickest part.
            low, high = places[frame].min(axis=0), places[frame].max(axis=0)
            assert (np.array(found["low"]) < low + 0.01).all()
            assert (np.array(found["high"]) > high - 0.01).all()
            assert (np.array(found["low"]) > low - 0.25).all()
            assert (np.array(found["high"]) < high + 0.25).all()
        # Between two frames: the shortest way, not through some wild pose.
        half = pose(page, 20.5 / motion.fps)["joints"]
        for bone, name in enumerate(motion.rig.names):
            middle = (places[20, bone] + places[21, bone]) / 2
            assert np.abs(np.array(half[name]) - middle).max() < 0.02
        assert complaints == []
