"""The joint sets agree with the libraries that produce them."""

import pytest

from pipeline.pose import JOINT_SETS
from pipeline.pose.joint_sets import COCO17, HALPE26, MEDIAPIPE33, JointSet, shared_indices


@pytest.mark.parametrize("joint_set", JOINT_SETS.values(), ids=JOINT_SETS)
def test_each_set_is_consistent(joint_set: JointSet) -> None:
    assert len(set(joint_set.joints)) == len(joint_set)
    assert len(set(map(frozenset, joint_set.edges))) == len(joint_set.edges)
    sides = {i for pair in joint_set.left_right for i in pair}
    middle = {i for i, name in enumerate(joint_set.joints) if i not in sides and "right" in name}
    assert not middle, "a right joint without its left"
    assert len(sides) == 2 * len(joint_set.left_right)


def test_mediapipe_names_and_edges_are_mediapipes_own() -> None:
    from mediapipe.python.solutions.pose import POSE_CONNECTIONS, PoseLandmark

    assert MEDIAPIPE33.joints == tuple(mark.name.lower() for mark in PoseLandmark)
    ours = set(map(frozenset, MEDIAPIPE33.edges))
    assert ours == {frozenset(map(int, edge)) for edge in POSE_CONNECTIONS}


@pytest.mark.parametrize(
    ("joint_set", "metainfo"),
    [(COCO17, "coco.py"), (HALPE26, "halpe26.py")],
    ids=["coco", "halpe26"],
)
def test_openmmlab_sets_are_mmposes_own(joint_set: JointSet, metainfo: str) -> None:
    from importlib import util
    from pathlib import Path

    from mmengine.config import Config

    spec = util.find_spec("mmpose")
    assert spec
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / ".mim/configs/_base_/datasets"
    info = Config.fromfile(folder / metainfo).dataset_info
    points = [info.keypoint_info[i] for i in range(len(info.keypoint_info))]
    assert joint_set.joints == tuple(point.name for point in points)
    assert joint_set.oks_sigmas == tuple(info.sigmas)
    links = {frozenset(bone.link) for bone in info.skeleton_info.values()}
    assert links == set(map(frozenset, joint_set.edge_names))
    for left, right in joint_set.left_right:
        assert points[left].swap == points[right].name


def test_shared_indices_pick_the_same_names() -> None:
    picked = shared_indices(MEDIAPIPE33, COCO17)
    assert tuple(MEDIAPIPE33.joints[i] for i in picked) == COCO17.joints
    assert shared_indices(HALPE26, COCO17) == list(range(17))
    with pytest.raises(ValueError, match=r"coco17 has no .*left_heel"):
        shared_indices(COCO17, HALPE26)
