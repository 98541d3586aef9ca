"""Several sentences, one motion: neighbouring parts share some frames and flow into each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from models.checkpoint import Checkpoint
from models.generate.generation import BatchPlan, MotionRequest, fade, generate, metric_joints
from models.generate.sampling import SampleSettings
from pipeline.arrays import Float32

OVERLAP_S = 1.0
"""Time that neighbouring parts share."""
Seam = Literal["blend", "continue"]
SEAMS: tuple[Seam, ...] = get_args(Seam)


@dataclass(frozen=True)
class ChainedMotion:
    """A motion of several sentences."""

    features: Float32
    """(T, D3), not normalised."""
    joints: Float32
    """(T, J, 3) metres."""
    starts: tuple[int, ...]
    """The frame at which each sentence takes over: the middle of what it shares with the last."""


def overlap_frames(checkpoint: Checkpoint, seconds: float = OVERLAP_S) -> int:
    """Rows that neighbouring parts share; at most half of the network's longest input."""
    config = checkpoint.network.config
    return max(1, min(round(seconds * checkpoint.skeleton.fps), config.max_frames // 2))


def check_chainable(settings: SampleSettings) -> None:
    """Refuse what cannot be chained: a view's root is counted from its own first frame.

    Raises:
        ValueError: The mode is 2D.
    """
    if settings.output == "2d":
        raise ValueError("sentences can be chained in 3D only: use mode 3d or mixture")


def chain(
    checkpoint: Checkpoint,
    parts: Sequence[Sequence[MotionRequest]],
    settings: SampleSettings,
    *,
    seam: Seam = "blend",
    overlap: int | None = None,
    plan: BatchPlan | None = None,
    done: Callable[[int], object] = lambda motions: None,
) -> list[ChainedMotion]:
    """Draw motions of several sentences.

    Rows of features are relative to the body, so root path and heading go on over a seam.
    `blend` draws the parts alone and fades from one to the next over the rows they share.
    `continue` draws a part with its first rows given: the end of the part before it, put into the
    network's estimate at every step with a weight that fades out (a soft form of Tevet et al. 2023,
    section 4). It keeps poses whole, where a blend passes through their mean, but a network that
    does not know slow transitions makes a quick one.

    Args:
        checkpoint: Trained network.
        parts: For each sentence, one request per motion to make. `frames` of a later part is what
            it adds; it is drawn longer by the overlap, if the network's longest input allows.
        settings: How to sample, `3d` or `mixture`.
        seam: How parts meet.
        overlap: Rows shared by neighbours; None takes `OVERLAP_S`.
        plan: As for `generate`.
        done: As for `generate`.

    Raises:
        ValueError: The mode is 2D, a part is shorter than the overlap, or a request does not fit.
    """
    shared = overlap_frames(checkpoint) if overlap is None else overlap
    longest = checkpoint.network.config.max_frames
    check_chainable(settings)
    if not parts or any(r.frames <= shared for part in parts for r in part):
        raise ValueError(f"every part of a chain must be longer than {shared} frames")
    asked = [list(parts[0])]
    for part in parts[1:]:
        asked.append([replace(r, frames=min(r.frames + shared, longest)) for r in part])

    def draw(part: Sequence[MotionRequest]) -> list[Float32]:
        return [m.features for m in generate(checkpoint, part, settings, plan=plan, done=done)]

    if seam == "blend":
        drawn = draw([r for part in asked for r in part])
        rows = [drawn[i : i + len(asked[0])] for i in range(0, len(drawn), len(asked[0]))]
    else:
        rows = [draw(asked[0])]
        for part in asked[1:]:
            ends = zip(part, rows[-1], strict=True)
            rows.append(draw([replace(r, start=before[-shared:]) for r, before in ends]))
    return [_joined(chosen, shared, checkpoint) for chosen in zip(*rows, strict=True)]


def _joined(parts: Sequence[Float32], shared: int, checkpoint: Checkpoint) -> ChainedMotion:
    whole, starts = parts[0], [0]
    for part in parts[1:]:
        starts.append(len(whole) - shared + shared // 2)
        whole = join(whole, part, shared)
    return ChainedMotion(whole, metric_joints(whole, checkpoint, "3d"), tuple(starts))


def join(before: Float32, after: Float32, shared: int) -> Float32:
    """(T1 + T2 - shared, D): the last `shared` rows of one fade into the first of the other."""
    keep = fade(shared)[:, None]
    middle = keep * before[-shared:] + (1.0 - keep) * after[:shared]
    return np.concatenate([before[:-shared], middle, after[shared:]])


def jerk(joints: Float32, fps: float) -> Float32:
    """(T-3,) mean over joints of the third derivative's size, metres / s^3.

    Row i lies between frames i and i + 3.
    """
    third = np.diff(joints.astype(np.float64), n=3, axis=0) * fps**3
    return np.asarray(np.linalg.norm(third, axis=-1).mean(axis=-1), np.float32)
