"""The human body of a GLB: it fits the rig's bones, stands on its soles, and moves with them."""

from pathlib import Path

import numpy as np
import pygltflib
import pytest
from glb_page import opened, pose
from test_export_glb import MILLIMETRE, rigged, validated
from test_export_rotations import MOTIONS

from pipeline import quaternions as quat
from pipeline.export.anny_mesh import Cloth, HumanMesh, human_mesh, joint_of_bone
from pipeline.export.glb import ANNY_NOTICE, write_glb
from pipeline.export.inverse_kinematics import RigMotion, bone_places, fit_rig
from pipeline.export.rig import Rig, make_rig
from pipeline.parametric_body.posing import JOINT
from pipeline.parametric_body.rest import read_body
from pipeline.skeletons import HUMANML3D


def written(tmp_path: Path, motion: RigMotion) -> Path:
    path = tmp_path / "motion.glb"
    write_glb(motion, path, name="a person walks", body="anny")
    return path


def of_joint(mesh: HumanMesh, rig: Rig, joint: str) -> np.ndarray:
    """(V,) how much a joint's bone carries each corner."""
    return np.where(mesh.bones == rig.of_joint[JOINT[joint]], mesh.weights, 0.0).sum(axis=1)


def posed(mesh: HumanMesh, motion: RigMotion, frame: int) -> np.ndarray:
    """(V, 3) by linear blend skinning, as every glTF reader does."""
    rig, places = motion.rig, bone_places(motion)[frame]
    turns: list[np.ndarray] = []
    for bone, parent in enumerate(rig.parents):
        own = motion.rotations[frame, bone]
        turns.append(own if parent < 0 else quat.multiply(turns[parent], own))
    out = np.zeros(mesh.positions.shape)
    for k in range(mesh.bones.shape[1]):
        bones = mesh.bones[:, k]
        local = mesh.positions - rig.rest[bones]
        moved = places[bones] + quat.rotate(np.stack(turns)[bones], local)
        out += mesh.weights[:, [k]] * moved
    return out


@pytest.mark.parametrize("helpers", [True, False])
def test_the_surface_lies_around_every_joint_of_the_rig(helpers: bool) -> None:
    rig = rigged("JumpingJack", helpers=helpers).rig
    mesh = human_mesh(rig)
    np.testing.assert_allclose(mesh.weights.sum(axis=1), 1.0, atol=1e-5)
    assert mesh.bones.max() < len(rig.names)
    for joint in HUMANML3D.joint_names:
        place = rig.rest[rig.of_joint[JOINT[joint]]]
        near = mesh.positions[np.linalg.norm(mesh.positions - place, axis=1) < 0.2] - place
        # Corners on all sides: no half space through the joint is empty.
        axes = np.concatenate([np.eye(3), -np.eye(3)])
        assert (near @ axes.T > 0.0).any(axis=0).all(), joint


def test_left_and_right_mirror_each_other_and_all_faces_look_outwards() -> None:
    rig = make_rig(_even_offsets(), helpers=True)
    mesh = human_mesh(rig)
    reach = [of_joint(mesh, rig, f"{side}_wrist") > 0.9 for side in ("left", "right")]
    left, right = (mesh.positions[hand] for hand in reach)
    assert left[:, 0].min() > 0.5 and right[:, 0].max() < -0.5
    np.testing.assert_allclose(left.mean(axis=0), right.mean(axis=0) * [-1, 1, 1], atol=0.005)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-4)
    # A closed surface that looks outwards encloses a positive volume, an adult's.
    faces = np.concatenate(list(mesh.triangles.values()))
    a, b, c = (mesh.positions[faces[:, k]].astype(float) for k in range(3))
    litres = 1000 * (a * np.cross(b, c)).sum() / 6
    assert 30 < litres < 110


def _even_offsets() -> np.ndarray:
    """(22, 3) bones of a body with two equal sides."""
    rig = rigged("JumpingJack").rig
    offsets = np.zeros((22, 3))
    places = rig.rest[list(rig.of_joint)]
    for joint, parent in enumerate(HUMANML3D.parents):
        if parent >= 0:
            offsets[joint] = places[joint] - places[parent]
    order = np.array(HUMANML3D.mirror_order)
    return (offsets + offsets[order] * [-1, 1, 1]) / 2


def test_longer_bones_make_longer_limbs_as_thick_as_before() -> None:
    offsets = _even_offsets()
    longer = offsets.copy()
    shins = [JOINT["left_ankle"], JOINT["right_ankle"]]
    longer[shins] *= 1.4
    # The rest is made shorter by as much: one size of body, other proportions.
    sums = [np.linalg.norm(each[1:], axis=1).sum() for each in (offsets, longer)]
    longer *= sums[0] / sums[1]
    found = []
    for each in (offsets, longer):
        rig = make_rig(each, helpers=True)
        mesh = human_mesh(rig)
        knee, ankle = (rig.rest[rig.of_joint[JOINT[f"left_{n}"]]] for n in ("knee", "ankle"))
        middle = (knee + ankle) / 2
        shin = mesh.positions[
            (of_joint(mesh, rig, "left_knee") > 0.9)
            & (np.abs(mesh.positions[:, 1] - middle[1]) < 0.04)
        ]
        found.append((knee[1] - ankle[1], np.ptp(shin[:, 0]), np.ptp(shin[:, 2])))
    (short, *thick), (long, *as_thick) = found
    assert long > 1.25 * short
    np.testing.assert_allclose(as_thick, thick, rtol=0.1)


@pytest.mark.parametrize("name", ["Cartwheel", "SitDown"])
def test_the_surface_goes_with_the_joints_in_every_frame(name: str) -> None:
    motion = rigged(name)
    mesh, places = human_mesh(motion.rig), bone_places(motion)
    for frame in range(0, motion.n_frames, 20):
        surface = posed(mesh, motion, frame)
        for joint in ("left_wrist", "right_ankle", "head", "left_knee", "spine2"):
            mine = of_joint(mesh, motion.rig, joint) > 0.5
            away = surface[mine] - places[frame, motion.rig.of_joint[JOINT[joint]]]
            assert np.linalg.norm(away, axis=1).min() < 0.12
            assert np.linalg.norm(away, axis=1).max() < 0.55  # a shin with its calf
        low, high = places[frame].min(axis=0), places[frame].max(axis=0)
        assert (surface.min(axis=0) < low + 0.02).all()
        assert (surface.max(axis=0) > high - 0.02).all()


@pytest.mark.parametrize("helpers", [True, False])
def test_the_validator_finds_nothing_at_all(tmp_path: Path, helpers: bool) -> None:
    path = written(tmp_path, rigged(helpers=helpers))
    report = validated(path)
    assert report["issues"]["messages"] == []
    assert report["info"]["materialCount"] == len(Cloth)
    assert path.stat().st_size < 1_000_000


def test_it_stands_on_its_soles_and_says_whose_it_is(tmp_path: Path) -> None:
    motion = rigged()
    model = pygltflib.GLTF2().load(str(written(tmp_path, motion)))
    assert model is not None
    mesh = model.meshes[0].primitives[0].attributes
    assert model.accessors[mesh.POSITION].min[1] == pytest.approx(0.0, abs=1e-5)
    raised = model.asset.extras["raised_m"]
    assert 0.005 < raised < 0.06  # a sole
    assert model.asset.copyright == ANNY_NOTICE


@pytest.mark.browser
def test_three_js_plays_it_with_the_joints_as_high_as_the_soles_are_thick(tmp_path: Path) -> None:
    motion = rigged()
    path = written(tmp_path, motion)
    mesh, places = human_mesh(motion.rig), bone_places(motion)
    (tmp_path / "served").mkdir()
    with opened(path, tmp_path / "served") as (page, complaints):
        raised = page.evaluate("window.about")["extras"]["raised_m"]
        for frame in (0, motion.n_frames // 2, motion.n_frames - 2):
            found = pose(page, frame / motion.fps)
            for bone, name in enumerate(motion.rig.names):
                apart = np.array(found["joints"][name]) - places[frame, bone]
                np.testing.assert_allclose(apart, [0.0, raised, 0.0], atol=MILLIMETRE)
            surface = posed(mesh, motion, frame) + np.array([0.0, raised, 0.0])
            np.testing.assert_allclose(found["low"], surface.min(axis=0), atol=MILLIMETRE)
            np.testing.assert_allclose(found["high"], surface.max(axis=0), atol=MILLIMETRE)
        assert complaints == []


def test_every_bone_of_the_body_has_a_joint() -> None:
    found = {joint_of_bone(label) for label in read_body().labels}
    assert found == set(range(HUMANML3D.n_joints))


def test_one_frame_is_enough(tmp_path: Path) -> None:
    path = written(tmp_path, fit_rig(MOTIONS["SitDown"][:1], 20.0))
    assert validated(path)["issues"]["numErrors"] == 0


@pytest.mark.parametrize("joint", ["left_hip", "right_foot", "head", "left_shoulder"])
def test_a_skeleton_with_a_bone_of_no_length_is_refused(tmp_path: Path, joint: str) -> None:
    joints = np.array(MOTIONS["SitDown"][:3])
    joints[:, JOINT[joint]] = joints[:, HUMANML3D.parents[JOINT[joint]]]
    with pytest.raises(ValueError, match=f"bone to {joint} has no length.*--body capsules"):
        written(tmp_path, fit_rig(joints, 20.0))
    assert not list(tmp_path.iterdir())


def test_the_body_comes_with_the_package() -> None:
    body = read_body()
    assert len(body.vertices) == 13718 and body.faces.max() < len(body.vertices)
