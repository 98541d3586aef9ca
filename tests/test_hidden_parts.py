"""Body parts that are out of sight: which joints, how long, and always the same ones."""

from collections import Counter

import numpy as np
import pytest

from models.lifting.hidden_parts import BOTH_LEGS, Occlusion, body_parts, hide_part
from pipeline.skeletons import HUMANML3D, KIT, Skeleton

VIEW = np.random.default_rng(0).normal(size=(80, 22, 2)).astype(np.float32)


def hidden(motion_id: str = "m", azimuth: float = 0.0, level: Occlusion | None = None):
    return hide_part(VIEW, level or Occlusion(), motion_id, azimuth, HUMANML3D)


def test_the_parts_are_limbs_by_name() -> None:
    named = {
        part: {HUMANML3D.joint_names[joint] for joint in joints}
        for part, joints in body_parts(HUMANML3D).items()
    }
    assert named["left arm"] == {"left_shoulder", "left_elbow", "left_wrist"}
    assert named["right leg"] == {"right_knee", "right_ankle", "right_foot"}
    assert named[BOTH_LEGS] == named["left leg"] | named["right leg"]


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT])
def test_left_is_the_mirror_of_right_and_the_root_is_never_hidden(skeleton: Skeleton) -> None:
    parts = body_parts(skeleton)
    assert sorted(parts) == [BOTH_LEGS, "left arm", "left leg", "right arm", "right leg"]
    for limb in ("arm", "leg"):
        mirrored = {skeleton.mirror_order[joint] for joint in parts[f"left {limb}"]}
        assert mirrored == set(parts[f"right {limb}"])
    assert all(0 not in joints for joints in parts.values())
    assert {*skeleton.feet_left, *skeleton.feet_right} <= set(parts[BOTH_LEGS])


def test_one_part_is_hidden_over_one_stretch_and_the_rest_is_untouched() -> None:
    for number in range(40):
        view, seen, part = hidden(f"m{number}")
        joints = list(body_parts(HUMANML3D)[part])
        others = [j for j in range(22) if j not in joints]
        assert seen[:, others].all()
        gone = ~seen[:, joints]
        assert (gone == gone[:, :1]).all()
        assert np.abs(np.diff(gone[:, 0].astype(int))).sum() <= 2  # one stretch
        share = gone[:, 0].mean()
        assert share == 1.0 or 0.25 <= share <= 0.75
        np.testing.assert_array_equal(view[seen], VIEW[seen])
        assert (view[~seen] == 0.0).all()


def test_what_is_hidden_follows_from_seed_motion_and_azimuth_alone() -> None:
    np.testing.assert_array_equal(hidden()[1], hidden()[1])
    drawn = {
        hidden(m, a, Occlusion(seed=s))[1].tobytes()
        for m in ("m", "n")
        for a in (0.0, 90.0, 0.5)
        for s in (1, 2)
    }
    assert len(drawn) > 8


def test_every_part_and_both_lengths_come_up() -> None:
    found = [hidden(f"m{number}") for number in range(200)]
    counts = Counter(part for _, _, part in found)
    assert set(counts) == set(body_parts(HUMANML3D))
    assert min(counts.values()) > 15
    whole = np.mean(
        [not seen[:, list(body_parts(HUMANML3D)[part])].any() for _, seen, part in found]
    )
    assert 0.35 < whole < 0.65
    always = Occlusion(whole_share=1.0)
    _, seen, part = hidden(level=always)
    assert not seen[:, list(body_parts(HUMANML3D)[part])].any()


@pytest.mark.parametrize(
    "wrong", [{"whole_share": 1.1}, {"shortest": 0.0}, {"shortest": 0.8}, {"longest": 1.5}]
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="an occlusion needs a whole_share"):
        Occlusion(**wrong)
