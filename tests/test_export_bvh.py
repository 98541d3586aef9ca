"""Exported BVH: every reader gives the joints back, and `crossdiff prepare bvh` reads it."""

import numpy as np
import pybvh
import pytest
from scipy.spatial.transform import Rotation
from synthetic_motion import random_motion
from test_export_rotations import MOTIONS

from pipeline.bvh_families import find_joint_map
from pipeline.bvh_file import read_bvh
from pipeline.bvh_folder import BvhOptions, read_clip, survey
from pipeline.bvh_kinematics import joint_positions
from pipeline.canonical import canonicalise
from pipeline.export.bvh import UNITS_PER_METRE, euler_angles, write_bvh
from pipeline.export.inverse_kinematics import at_fps, fit_rig, rig_joints
from pipeline.export.rig import BONE_NAMES
from pipeline.kinematics import canonical_offsets
from pipeline.skeletons import HUMANML3D

MILLIMETRE = 1e-3


def ours(path, unit="cm"):
    places = joint_positions(read_bvh(path))
    return np.stack([places[name] for name in BONE_NAMES], axis=1) / UNITS_PER_METRE[unit]


def theirs(path, unit="cm"):
    """The same by a reader that others wrote."""
    read = pybvh.read_bvh_file(str(path))
    places = read.node_positions(centered="world")
    order = [read.node_index[name] for name in BONE_NAMES]
    return np.asarray(places)[:, order] / UNITS_PER_METRE[unit]


@pytest.mark.parametrize("helpers", [True, False])
@pytest.mark.parametrize("unit", ["cm", "m"])
@pytest.mark.parametrize("name", ["Cartwheel", "random 0"])
def test_two_readers_give_the_joints_back_within_a_millimetre(tmp_path, name, unit, helpers):
    motion = fit_rig(MOTIONS[name], 20.0, helpers=helpers)
    path = tmp_path / "motion.bvh"
    write_bvh(motion, path, unit)
    for reader in (ours, theirs):
        found = reader(path, unit)
        assert found.shape == (motion.n_frames, 22, 3)
        assert np.abs(found - rig_joints(motion)).max() < MILLIMETRE
    assert read_bvh(path).fps == 20.0
    assert [p.name for p in tmp_path.iterdir()] == ["motion.bvh"]


def test_the_root_moves_and_other_rates_are_written(tmp_path):
    motion = at_fps(fit_rig(MOTIONS["Cartwheel"], 20.0), 60.0)
    path = tmp_path / "motion.bvh"
    write_bvh(motion, path)
    found = read_bvh(path)
    assert found.fps == 60.0
    assert found.nodes[0].channels[:3] == ("xposition", "yposition", "zposition")
    np.testing.assert_allclose(found.values[:, :3], motion.root * 100, atol=1e-5)
    assert np.ptp(found.values[:, :3], axis=0).max() > 50  # centimetres
    assert all(len(node.channels) == 3 for node in found.nodes[1:] if " end" not in node.name)


@pytest.mark.filterwarnings("ignore:Gimbal lock")
def test_angles_do_not_jump_by_turns():
    turning = Rotation.from_euler("ZXY", [(8.0 * i, 3.0 * i, -5.0 * i) for i in range(120)],
                                  degrees=True).as_quat()[:, [3, 0, 1, 2]]  # fmt: skip
    raw = Rotation.from_quat(turning[:, [1, 2, 3, 0]]).as_euler("ZXY", degrees=True)
    assert np.abs(np.diff(raw, axis=0)).max() > 150  # what this is about
    found = euler_angles(turning[:, None])[:, 0]
    assert np.abs(np.diff(found, axis=0)).max() < 30
    back = Rotation.from_euler("ZXY", found, degrees=True).as_quat()[:, [3, 0, 1, 2]]
    np.testing.assert_allclose(np.abs((back * turning).sum(-1)), 1.0, atol=1e-9)


def test_what_prepare_reads_are_the_same_joints(tmp_path):
    """Bones of canonical length: retargeting, floor and facing then change nothing."""
    joints = canonicalise(random_motion(3, 60, turns=0.3), HUMANML3D, canonical_offsets(HUMANML3D))
    path = tmp_path / "motion.bvh"
    write_bvh(fit_rig(joints, 20.0), path)
    known = survey([path], BvhOptions())
    assert (known.maps, known.up, known.unit) == (("CrossDiff export",), "y", "cm")
    clip = read_clip(path, BvhOptions(), known)
    again = canonicalise(clip, HUMANML3D, canonical_offsets(HUMANML3D))
    assert np.abs(again - joints).max() < MILLIMETRE


def test_names_are_those_that_programs_know(tmp_path):
    """Without helper bones it is MotionBuilder's skeleton; a built-in map knows both."""
    for helpers, family in ((True, "CrossDiff export"), (False, "MotionBuilder (Mixamo, LAFAN1)")):
        path = tmp_path / f"{helpers}.bvh"
        write_bvh(fit_rig(MOTIONS["Cartwheel"], 20.0, helpers=helpers), path)
        names = [node.name for node in read_bvh(path).nodes]
        found, _ = find_joint_map(names)
        assert found is not None
        assert found.name == family
        assert set(BONE_NAMES) <= set(names)
        ends = {name for name in names if name.endswith(" end")}
        assert ends == {f"{n} end" for n in ("Head", "LeftHand", "RightHand", "LeftToeBase",
                                             "RightToeBase")}  # fmt: skip


def test_a_place_that_cannot_be_written_is_named_and_nothing_half_done_stays(tmp_path):
    motion = fit_rig(MOTIONS["Cartwheel"], 20.0)
    with pytest.raises(ValueError, match=r"must end in \.bvh"):
        write_bvh(motion, tmp_path / "motion.txt")
    with pytest.raises(ValueError, match="there is no folder"):
        write_bvh(motion, tmp_path / "none" / "motion.bvh")
    assert list(tmp_path.iterdir()) == []
