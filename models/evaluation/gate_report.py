"""What the gate found: the verdict with all that it rests on, and things to look at."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from models.checkpoint import Checkpoint
from models.evaluation.gate import (
    LOSS_2D,
    WILD_FIGURES,
    Change,
    GateRules,
    Verdict,
    changes_of,
    judge,
    rejected,
)
from models.evaluation.gate_measures import GateClips, Measured, Track, measure
from models.evaluation.gate_samples import (
    CANDIDATE,
    PARENT,
    TextSample,
    lifted_clips,
    text_samples,
)
from models.evaluation.wild_examples import WildExample
from models.evaluation.wild_report import REPROJECTION

MACHINE_FAILED = (OSError, MemoryError)
"""Not the candidate's fault: the same measurement may succeed when it is run again."""


@dataclass(frozen=True)
class GateReport:
    """The verdict, every figure before and after, and examples."""

    verdict: Verdict
    mocap: Mapping[str, Change] = field(default_factory=dict)
    wild: Mapping[str, Change] = field(default_factory=dict)
    """`WILD_FIGURES` first, then what is told without being demanded."""
    by_action: Mapping[str, Mapping[str, Change]] = field(default_factory=dict)
    """`WILD_FIGURES` of each class."""
    clips: tuple[WildExample, ...] = field(default=(), repr=False)
    samples: tuple[TextSample, ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the motions to look at."""
        return {
            **self.verdict.to_json(),
            "mocap": _plain(self.mocap),
            "wild": _plain(self.wild),
            "by_action": {name: _plain(found) for name, found in self.by_action.items()},
        }


def run_measures(
    parent: Checkpoint,
    load_candidate: Callable[[], Checkpoint],
    clips: GateClips,
    recordings: Mapping[str, str],
    rules: GateRules,
    track: Track,
) -> GateReport:
    """Measure both and judge.

    A candidate that cannot be loaded or measured is rejected with the reason; a parent that cannot
    be is an error: nothing is known of the candidate then.

    Args:
        parent: Who was finetuned.
        load_candidate: Gives the finetuned checkpoint.
        clips: What both are measured on.
        recordings: By motion id of the held-out clips.
        rules: What is demanded.
        track: Shows progress.

    Raises:
        ValueError: The parent cannot be measured.
        OSError: The machine failed, not the candidate.
    """
    before = measure(parent, clips, track)
    changes_of(before.mocap, before.mocap, {})  # the parent's own figures must be finite
    wild_before = _known(before)
    changes_of(wild_before, wild_before, recordings)
    try:
        candidate = load_candidate()
        after = measure(candidate, clips, track)
        mocap = changes_of(before.mocap, after.mocap, {})
        wild = changes_of(wild_before, after.wild, recordings)
    except MACHINE_FAILED:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a damaged network leads to
        said = " ".join(str(error).split()) or repr(error)
        return GateReport(rejected(f"the finetuned checkpoint cannot be measured: {said}"))
    reprojection = {PARENT: before.wild[REPROJECTION], CANDIDATE: after.wild[REPROJECTION]}
    return GateReport(
        judge(mocap, wild, rules),
        mocap,
        {**wild, **_further(before, after, recordings)},
        _by_action(before, after, clips, recordings),
        tuple(lifted_clips(parent, candidate, clips.held_out, reprojection)),
        tuple(text_samples(parent, candidate, clips.held_out)),
    )


def _known(measured: Measured) -> dict[str, dict[str, float]]:
    """Of the parent: a clip of which nothing can be told says nothing of a change either."""
    return {
        name: {clip: value for clip, value in measured.wild[name].items() if math.isfinite(value)}
        for name in WILD_FIGURES
    }


def _further(before: Measured, after: Measured, recordings: Mapping[str, str]) -> dict[str, Change]:
    """Figures that decide nothing, over the clips of which both know them."""
    out: dict[str, Change] = {}
    for name, known in before.wild.items():
        both = sorted(set(known).intersection(after.wild[name]))
        if name in WILD_FIGURES or not both:
            continue
        parts = [{clip: part.wild[name][clip] for clip in both} for part in (before, after)]
        out |= changes_of({name: parts[0]}, {name: parts[1]}, recordings)
    return out


def _by_action(
    before: Measured, after: Measured, clips: GateClips, recordings: Mapping[str, str]
) -> dict[str, dict[str, Change]]:
    actions: dict[str, set[str]] = {}
    for motion in clips.held_out:
        actions.setdefault(motion.action, set()).add(motion.motion_id)
    out = {}
    for action, ids in sorted(actions.items()):
        parts = [
            {
                name: {clip: value for clip, value in part.wild[name].items() if clip in ids}
                for name in (REPROJECTION, LOSS_2D)
            }
            for part in (before, after)
        ]
        finite = {n: {c: v for c, v in p.items() if math.isfinite(v)} for n, p in parts[0].items()}
        kept = {name: values for name, values in finite.items() if values}
        out[action] = changes_of(kept, parts[1], recordings)
    return out


def _plain(changes: Mapping[str, Change]) -> dict[str, Any]:
    return {name: change.to_json() for name, change in changes.items()}
