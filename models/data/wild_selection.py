"""Which in-the-wild clips are trained on, how much their labels count, and which are held out.

A pure choice: the same clips and rules give the same selection, whatever their order.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from models.data.motion import Motion

Verdict = Literal["keep", "drop", "needs-work", ""]
Quality = Literal["weight", "filter", "none", "score"]
PoorLabels = Literal["2d", "drop"]

SHORTEST_FRAMES = 40
"""The paper's clips are 40 to 196 frames long; longer ones are cropped in training."""
MAX_REPROJECTION_M = 0.10
"""Default of `SelectionRules.max_reprojection_m`, metres: the shipped weights' labels of real clips
average 0.075."""
_BUCKETS = 2**32


@dataclass(frozen=True)
class WildClip:
    """A stored in-the-wild motion with all that speaks for or against it."""

    motion: Motion
    recording: str
    """Clips cut from one recording stay together: one side of training and held out."""
    reprojection_m: float | None = None
    """Mean distance of the projected label from what was seen, metres; None: not measured."""
    label_score: float | None = None
    """Calibrated trust in the label, 0..1 (`models.lifting.label_score`); None: it has none."""
    confidence: float | None = None
    """Mean confidence of the detector, 0..1."""
    mask_share: float | None = None
    """Share of joints nobody saw."""
    verdict: Verdict = ""
    """A curator's."""
    captions: tuple[str, ...] | None = None
    """A curator's, in place of the stored ones."""
    split: str | None = None
    """A curator's, in place of the stored one."""


@dataclass(frozen=True)
class SelectionRules:
    """What to train on."""

    actions: tuple[str, ...] = ()
    """Only these; compared by letters and digits alone. Empty: all."""
    quality: Quality = "weight"
    """How a measured reprojection error e bears on a label: `weight` counts it 1 / (1 + (e/e0)^2),
    e0 = `max_reprojection_m`; `filter` takes it wholly up to e0 and as `poor` says beyond;
    `none` takes every label wholly. A label nobody measured is poor, and weighs nothing.
    `score` counts a label by its calibrated score; one without a score as `weight` does."""
    max_reprojection_m: float = MAX_REPROJECTION_M
    min_score: float | None = None
    """Of `score`: a label with a lower one is poor; None: none is."""
    poor: PoorLabels = "2d"
    """`filter`, and `score` with `min_score`, make 2D alone of a clip with a poor label, or leave
    the clip out of training."""
    holdout: float | None = None
    """Share of an action's recordings that are held out; None: as the stored splits say."""
    only_2d: bool = False
    """No label counts: only the 2D path learns from these clips."""

    def __post_init__(self) -> None:
        if not self.max_reprojection_m > 0.0:
            raise ValueError(
                f"the largest reprojection error is {self.max_reprojection_m} m: give metres above "
                "0"
            )
        if self.min_score is not None and not 0.0 <= self.min_score <= 1.0:
            raise ValueError(f"the lowest score is {self.min_score}: give one from 0 to 1")
        if self.min_score is not None and self.quality != "score":
            raise ValueError(
                f"a lowest score does not go with the quality '{self.quality}': choose 'score'"
            )
        if self.holdout is not None and not 0.0 < self.holdout < 1.0:
            raise ValueError(f"the held-out share is {self.holdout}: give one between 0 and 1")


@dataclass(frozen=True)
class WildSelection:
    """What came of a choice."""

    train: tuple[tuple[Motion, float], ...]
    """Motions with the weight of their 3D label, 0..1; by motion id."""
    held_out: tuple[Motion, ...]
    """By motion id. Whatever their label is worth: they stand for what videos are like."""
    left_out: Mapping[str, int]
    """How many clips are in neither, by reason."""
    unscored: int = 0
    """Training labels that were to count by their score, have none, and count by their
    reprojection error."""


OTHER_ACTION = "of another action"
DROPPED = "dropped by a curator"
NEEDS_WORK = "marked as needing work"
TOO_SHORT = f"shorter than {SHORTEST_FRAMES} frames"
NO_VIEW = "without a view"
POOR_LABEL = "with a poor 3D label"


def select_wild(clips: Sequence[WildClip], rules: SelectionRules) -> WildSelection:
    """Choose; whatever is left out is counted by reason.

    A curator goes before every measure: `drop` and `needs-work` leave a clip out, `keep` counts its
    label wholly. New captions come without embeddings: they have to be encoded.

    Raises:
        ValueError: An action that no clip shows.
    """
    _known_actions(clips, rules.actions)
    reasons = {id(clip): _why_not(clip, rules) for clip in clips}
    usable = [clip for clip in clips if not reasons[id(clip)]]
    held = held_out_recordings(usable, rules.holdout)
    left = Counter(reason for reason in reasons.values() if reason)
    train: list[tuple[Motion, float]] = []
    for clip in sorted(usable, key=lambda clip: clip.motion.motion_id):
        if clip.recording in held:
            continue
        weight = label_weight(clip, rules)
        if weight is None:
            left[POOR_LABEL] += 1
        else:
            train.append((_as_curated(clip, "train"), weight))
    kept = [_as_curated(clip, "test") for clip in usable if clip.recording in held]
    kept.sort(key=lambda motion: motion.motion_id)
    trained = {motion.motion_id for motion, _ in train}
    unscored = sum(lacks_score(c, rules) and c.motion.motion_id in trained for c in usable)
    return WildSelection(tuple(train), tuple(kept), dict(left), unscored)


def label_weight(clip: WildClip, rules: SelectionRules) -> float | None:
    """How much a training clip's 3D label counts, 0..1; None: the clip is left out."""
    if rules.only_2d or not clip.motion.has_3d:
        return 0.0
    if clip.verdict == "keep" or rules.quality == "none":
        return 1.0
    error = math.inf if clip.reprojection_m is None else clip.reprojection_m
    score = clip.label_score
    if rules.quality == "score" and score is not None and not lacks_score(clip, rules):
        weight, poor = score, rules.min_score is not None and score < rules.min_score
    elif rules.quality == "filter":
        weight, poor = 1.0, not error <= rules.max_reprojection_m  # nan too
    else:
        share = error / rules.max_reprojection_m
        weight, poor = 1.0 / (1.0 + share * share) if math.isfinite(share) else 0.0, False
    if not poor:
        return weight
    return None if rules.poor == "drop" else 0.0


def lacks_score(clip: WildClip, rules: SelectionRules) -> bool:
    """Whether a 3D label counts by its reprojection error, for want of the score that is asked."""
    decided = rules.only_2d or not clip.motion.has_3d or clip.verdict == "keep"
    known = clip.label_score is not None and math.isfinite(clip.label_score)
    return rules.quality == "score" and not decided and not known


def held_out_recordings(clips: Sequence[WildClip], share: float | None) -> frozenset[str]:
    """Recordings of which nothing is trained on.

    By share: a recording's side is a function of its name alone, so that it stays there while a
    data set grows; an action of two recordings or more gives at least one and keeps at least one.
    Without a share, and for every clip whose split a curator chose, splits decide; where clips of
    one recording disagree, all of it is held out.
    """
    told = {clip.recording: _told_split(clip, share) for clip in clips if _told_split(clip, share)}
    held = {c.recording for c in clips if _told_split(c, share) not in (None, "train")}
    if share is None:
        return frozenset(held)
    by_action: dict[str, set[str]] = {}
    for clip in clips:
        by_action.setdefault(plain(clip.motion.action), set()).add(clip.recording)
    for _, recordings in sorted(by_action.items()):
        free = sorted(recordings - set(told), key=_place)
        if len(recordings) < 2:
            continue
        chosen = {name for name in free if _place(name) < share * _BUCKETS}
        if not (held | chosen) & recordings:
            chosen = set(free[:1])
        if free and recordings <= held | chosen:
            chosen.discard(free[-1])
        held |= chosen
    return frozenset(held)


def plain(action: str) -> str:
    """An action's letters and digits alone, in lower case: YoYo, yo_yo and "yo yo" are one."""
    return "".join(c for c in action.casefold() if c.isalnum())


def _told_split(clip: WildClip, share: float | None) -> str | None:
    """The split that was decided on for a clip, as far as it counts."""
    return clip.split if clip.split is not None or share is not None else clip.motion.split


def _place(recording: str) -> int:
    """Where a recording's name falls among `_BUCKETS`."""
    return int.from_bytes(hashlib.sha256(recording.encode()).digest()[:4], "big")


def _why_not(clip: WildClip, rules: SelectionRules) -> str:
    """Why a clip is in neither part; empty when it is in one."""
    wanted = {plain(action) for action in rules.actions}
    reasons = (
        (bool(wanted) and plain(clip.motion.action) not in wanted, OTHER_ACTION),
        (clip.verdict == "drop", DROPPED),
        (clip.verdict == "needs-work", NEEDS_WORK),
        (clip.motion.view is None, NO_VIEW),
        (len(clip.motion.joints) < SHORTEST_FRAMES, TOO_SHORT),
    )
    return next((reason for holds, reason in reasons if holds), "")


def _known_actions(clips: Sequence[WildClip], actions: Sequence[str]) -> None:
    there = {plain(clip.motion.action): clip.motion.action for clip in clips if clip.motion.action}
    missing = [action for action in actions if plain(action) not in there]
    if missing:
        known = f"choose among {', '.join(sorted(there.values()))}"
        raise ValueError(
            f"no clip shows {', '.join(missing)}: "
            + (known if there else "the clips have no classes, leave out --actions")
        )


def _as_curated(clip: WildClip, split: str) -> Motion:
    """The motion with the curator's captions, and the split it was given."""
    if clip.captions is None or clip.captions == clip.motion.captions:
        return replace(clip.motion, split=split)
    none = np.zeros((0, 0), np.float32)
    return replace(clip.motion, split=split, captions=clip.captions, embeddings=none, tokens=())
