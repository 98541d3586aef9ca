"""Which in-the-wild clips are trained on, how much their labels count, which are held out."""

import dataclasses
import random

import numpy as np
import pytest

from models.data.motion import Motion
from models.data.wild_selection import SelectionRules, WildClip, select_wild


def clip(name: str, recording: str = "", action: str = "YoYo", **fields) -> WildClip:
    """A clip of 40 frames; fields of `Motion` or of `WildClip`."""
    own = {f.name for f in dataclasses.fields(WildClip)} - {"captions", "split"}
    of_motion = {k: v for k, v in fields.items() if k not in own and not k.startswith("new_")}
    frames = of_motion.pop("frames", 40)
    motion = Motion(
        motion_id=name,
        split=of_motion.pop("stored", "train"),
        joints=np.zeros((frames, 22, 3), np.float32),
        captions=("a",),
        embeddings=np.ones((1, 8), np.float32),
        action=action,
        view=None if of_motion.pop("blind", False) else np.zeros((frames, 22, 2), np.float32),
        has_3d=of_motion.pop("has_3d", True),
    )
    given = {k: v for k, v in fields.items() if k in own}
    given |= {k.removeprefix("new_"): v for k, v in fields.items() if k.startswith("new_")}
    return WildClip(motion, recording or name, **given)


def weights(clips, **rules) -> dict[str, float]:
    selection = select_wild(clips, SelectionRules(**rules))
    return {motion.motion_id: weight for motion, weight in selection.train}


MEASURED = [
    clip("good", reprojection_m=0.0),
    clip("fair", reprojection_m=0.1),
    clip("poor", reprojection_m=0.2),
    clip("unmeasured"),
    clip("wrecked", reprojection_m=float("nan")),
    clip("trusted", reprojection_m=0.2, verdict="keep"),
    clip("flat", has_3d=False),
]


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ({"quality": "weight"}, [1, 0.5, 0.2, 0, 0, 1, 0]),
        ({"quality": "filter"}, [1, 1, 0, 0, 0, 1, 0]),
        ({"quality": "filter", "poor": "drop"}, [1, 1, None, None, None, 1, 0]),
        ({"quality": "none"}, [1, 1, 1, 1, 1, 1, 0]),
        ({"quality": "none", "only_2d": True}, [0] * 7),
    ],
)
def test_quality_decides_how_much_a_label_counts_and_a_curator_goes_before_it(rules, wanted):
    ours = weights(MEASURED, max_reprojection_m=0.1, **rules)
    names = [c.motion.motion_id for c in MEASURED]
    expected = {n: w for n, w in zip(names, wanted, strict=True) if w is not None}
    assert ours == pytest.approx(expected)


SCORED = [
    clip("sure", label_score=0.9, reprojection_m=0.2),
    clip("doubtful", label_score=0.3, reprojection_m=0.0),
    clip("worthless", label_score=0.0),
    clip("unscored", reprojection_m=0.1),
    clip("wrecked", label_score=float("nan"), reprojection_m=0.1),
    clip("trusted", label_score=0.1, verdict="keep"),
    clip("chosen", verdict="keep"),
    clip("flat", has_3d=False),
]


@pytest.mark.parametrize(
    ("rules", "wanted", "unscored"),
    [
        ({}, [0.9, 0.3, 0, 0.5, 0.5, 1, 1, 0], 2),
        ({"min_score": 0.5}, [0.9, 0, 0, 0.5, 0.5, 1, 1, 0], 2),
        ({"min_score": 0.5, "poor": "drop"}, [0.9, None, None, 0.5, 0.5, 1, 1, 0], 2),
        ({"min_score": 0.3}, [0.9, 0.3, 0, 0.5, 0.5, 1, 1, 0], 2),
        ({"only_2d": True}, [0] * 8, 0),
    ],
)
def test_a_score_says_how_much_a_label_counts_and_the_error_where_there_is_none(
    rules, wanted, unscored
):
    chosen = SelectionRules(quality="score", max_reprojection_m=0.1, **rules)
    selection = select_wild(SCORED, chosen)
    ours = {motion.motion_id: weight for motion, weight in selection.train}
    names = [c.motion.motion_id for c in SCORED]
    assert ours == pytest.approx(
        {n: w for n, w in zip(names, wanted, strict=True) if w is not None}
    )
    assert selection.unscored == unscored
    assert sum(selection.left_out.values()) == wanted.count(None)


def test_scores_say_nothing_unless_they_are_asked():
    for quality in ("weight", "filter", "none"):
        rules = SelectionRules(quality=quality)
        blind = [dataclasses.replace(c, label_score=None) for c in SCORED]
        ours, theirs = select_wild(SCORED, rules), select_wild(blind, rules)
        assert [w for _, w in ours.train] == [w for _, w in theirs.train]
        assert ours.unscored == 0


@pytest.mark.parametrize("score", [-0.1, 1.5, float("nan")])
def test_a_lowest_score_out_of_range_is_refused(score):
    with pytest.raises(ValueError, match="from 0 to 1"):
        SelectionRules(quality="score", min_score=score)


def test_a_lowest_score_without_scores_is_refused():
    with pytest.raises(ValueError, match="choose 'score'"):
        SelectionRules(quality="weight", min_score=0.5)


def test_whatever_is_left_out_is_counted_by_reason():
    clips = [
        clip("used", reprojection_m=0.01),
        clip("short", frames=39),
        clip("dropped", verdict="drop"),
        clip("unfinished", verdict="needs-work"),
        clip("blind", blind=True),
        clip("other", action="Archery"),
        clip("poor", reprojection_m=1.0),
    ]
    rules = SelectionRules(actions=("yo yo",), quality="filter", poor="drop")
    selection = select_wild(clips, rules)
    assert [m.motion_id for m, _ in selection.train] == ["used"]
    assert not selection.held_out
    assert selection.left_out == {
        "shorter than 40 frames": 1,
        "dropped by a curator": 1,
        "marked as needing work": 1,
        "without a view": 1,
        "of another action": 1,
        "with a poor 3D label": 1,
    }


def test_a_clip_held_out_is_held_out_however_poor_its_label():
    """Else the gate would judge by easy clips alone."""
    rules = SelectionRules(quality="filter", poor="drop")
    selection = select_wild([clip("a", reprojection_m=9.0, stored="test"), clip("b")], rules)
    assert [m.motion_id for m in selection.held_out] == ["a"]


def test_a_curators_captions_replace_the_stored_ones_and_wait_to_be_encoded():
    clips = [clip("a", new_captions=("throws a yoyo",)), clip("b", new_captions=("a",))]
    (new, _), (same, _) = select_wild(clips, SelectionRules()).train
    assert new.captions == ("throws a yoyo",)
    assert new.embeddings.shape == (0, 0)
    assert same.embeddings.shape == (1, 8)


def test_without_a_share_the_splits_decide_and_a_curators_go_first():
    clips = [
        clip("a", stored="train"),
        clip("b", stored="val"),
        clip("c", stored="test"),
        clip("d", stored="train", new_split="test"),
        clip("e", stored="test", new_split="train"),
    ]
    selection = select_wild(clips, SelectionRules())
    assert [m.motion_id for m, _ in selection.train] == ["a", "e"]
    assert [m.motion_id for m in selection.held_out] == ["b", "c", "d"]
    assert {m.split for m, _ in selection.train} == {"train"}


@pytest.mark.parametrize("holdout", [None, 0.3])
def test_a_recording_is_never_on_both_sides(holdout):
    """Not by share, not by stored splits, not by a curator who forgot the recording's other clip,
    and not where one recording shows two actions."""
    clips = [
        clip(f"{action}{group}-{part}", f"g{group}", action, stored=("train", "test")[part % 2])
        for action in ("YoYo", "Archery")
        for group in range(12)
        for part in range(3)
    ]
    clips[4] = dataclasses.replace(clips[4], split="test")
    clips[5] = dataclasses.replace(clips[5], split="train")
    selection = select_wild(clips, SelectionRules(holdout=holdout))
    recording = {c.motion.motion_id: c.recording for c in clips}
    trained = {recording[m.motion_id] for m, _ in selection.train}
    held = {recording[m.motion_id] for m in selection.held_out}
    assert not trained & held
    assert len(selection.train) + len(selection.held_out) == len(clips)
    assert recording[clips[4].motion.motion_id] in held


@pytest.mark.parametrize("share", [0.01, 0.3, 0.99])
def test_every_action_of_two_recordings_gives_one_and_keeps_one(share):
    actions = [f"action{i}" for i in range(20)]
    clips = [clip(f"{a}-{i}", action=a) for a in actions for i in range(2)]
    clips.append(clip("alone", action="Diving"))
    selection = select_wild(clips, SelectionRules(holdout=share))
    assert sorted(m.action for m in selection.held_out) == sorted(actions)
    assert sorted(m.action for m, _ in selection.train) == sorted([*actions, "Diving"])


def test_a_share_is_kept_and_a_recording_stays_on_its_side_as_the_set_grows():
    clips = [clip(f"r{i}") for i in range(2000)]
    few = select_wild(clips[:1000], SelectionRules(holdout=0.2))
    many = select_wild(random.Random(1).sample(clips, 2000), SelectionRules(holdout=0.2))
    assert len(few.held_out) == pytest.approx(200, abs=40)  # three standard deviations
    old = {m.motion_id for m in few.held_out}
    first = {f"r{i}" for i in range(1000)}
    assert {m.motion_id for m in many.held_out} & first == old
    assert [m.motion_id for m in many.held_out] == sorted(m.motion_id for m in many.held_out)


def test_wrong_rules_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match=r"no clip shows Juggling: choose among YoYo"):
        select_wild([clip("a")], SelectionRules(actions=("YOYO", "Juggling")))
    for holdout in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="give one between 0 and 1"):
            SelectionRules(holdout=holdout)
    with pytest.raises(ValueError, match="give metres above 0"):
        SelectionRules(max_reprojection_m=float("nan"))
