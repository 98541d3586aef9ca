"""A better lift from the same weights: several looks at one view, averaged.

`flip` also lifts the view's mirror image. `many` judges from that, frame by frame, how large the
body in the view really is, brings the view to that size, twice over, and lifts it and its mirror
image at that size and a little smaller and larger. How far the answers lie apart says how sure the
label is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from models.checkpoint import Checkpoint
from models.lifting.lift import clips_at_once, lift, lift_together
from pipeline.arrays import AnyFloat, Bool, Float32, Float64
from pipeline.camera_fit import fit_camera
from pipeline.mirror_features import mirror_columns2d, mirror_features3d, mirror_view
from pipeline.representation2d import features_from_view
from pipeline.representation3d import (
    features_from_canonical,
    field_slices,
    recover_all_joints,
    recover_joints,
)
from pipeline.skeletons import Skeleton
from pipeline.view_size import resized_view, view_size
from pipeline.views import azimuth_rotation

EnsembleKind = Literal["none", "flip", "many"]
ENSEMBLE_KINDS: tuple[EnsembleKind, ...] = get_args(EnsembleKind)

SCALES = (0.92, 1.0, 1.08)
"""Sizes of the view that `many` lifts, times the judged one: about as far as that one is off."""
MANY_PASSES = ((1.0,), SCALES)
"""Scales lifted each time that `many` has brought the view to size."""
SPREAD_FRAMES = 1024
"""Frames whose spread is computed at a time: what bounds the memory of a long motion."""


@dataclass(frozen=True)
class EnsembleLift:
    """A pseudo-3D label that several members agreed on."""

    features: Float32
    """(T, D3), not normalised."""
    joints: Float32
    """(T, J, 3) in the skeleton's length unit, Y up; frame 0 at xz = 0, facing as the members."""
    spread: Float32 | None
    """(T, J) metres: standard deviation of the members' joints, seen from the root and the body's
    facing (the root's own: of its height). None for one member, which says nothing of it."""
    windows: int
    """How many network windows were blended, over all members and passes."""
    members: int
    view_size: float = 1.0
    """Size of the view over that of the body that was lifted, middle of the motion; other than 1
    only for `many`."""


def lift_ensemble(
    checkpoint: Checkpoint,
    features: Float32,
    mask: Bool,
    view: Float32,
    seen: Bool,
    kind: EnsembleKind,
    confidence: Float32 | None = None,
) -> EnsembleLift:
    """Lift one view by several members and average them.

    Rows are averaged, not positions in the room: a row is relative to the body, so that headings
    that drift apart in a long clip do not shrink the body. Rotations and contacts are then computed
    from the averaged positions, by the representation's own function.

    Args:
        checkpoint: Trained network with its statistics.
        features: (T, D2) of the view, not normalised.
        mask: (T, D2) True where an entry was seen.
        view: (T + 1, J, 2) that the features come from, 0 where a joint was not seen.
        seen: (T + 1, J).
        kind: `none` is `models.lifting.lift.lift`, bit for bit.
        confidence: (T + 1, J) the 2D estimator's, for sizes and for a network with
            `confidence_input`; None: all alike.

    Raises:
        ValueError: An unknown kind, or arrays that do not fit each other.
    """
    if kind not in ENSEMBLE_KINDS:
        raise ValueError(f"ensemble must be one of {', '.join(ENSEMBLE_KINDS)}, got {kind!r}")
    skeleton = checkpoint.skeleton
    if kind == "none":
        told = None if confidence is None else confidence[:-1]
        alone = lift(checkpoint, features, mask, told)
        return EnsembleLift(alone.features, alone.joints, None, alone.windows, 1)
    _check(features, mask, view, seen)
    sure = seen.astype(np.float32) if confidence is None else confidence
    seen_view = _View(view, seen, mask, sure)
    members = _lift_pairs(checkpoint, seen_view, (1.0,))
    if kind == "flip":
        return _averaged(members, skeleton)
    windows = members.windows
    for scales in MANY_PASSES:
        size = _size_by(members, seen_view, skeleton)
        sized = replace(seen_view, joints=resized_view(view, seen, size))
        members = _lift_pairs(checkpoint, sized, scales)
        windows += members.windows
    answer = _averaged(members, skeleton)
    return replace(answer, windows=windows, view_size=float(np.median(size)))


@dataclass(frozen=True)
class _View:
    """What is lifted: T + 1 frames, T rows."""

    joints: Float32
    seen: Bool
    mask: Bool
    confidence: Float32


class _Members(NamedTuple):
    """Lifts of one view."""

    rows: Float32
    """(M, T, D3), as the body was seen: every second one is of the mirror image, mirrored back."""
    windows: int


def _check(features: Float32, mask: Bool, view: Float32, seen: Bool) -> None:
    rows = len(features)
    if mask.shape != features.shape or len(view) != rows + 1 or seen.shape != view.shape[:2]:
        raise ValueError(
            f"{rows} feature rows need a mask like them and a view and seen of {rows + 1} frames, "
            f"got {mask.shape}, {view.shape} and {seen.shape}"
        )


def _size_by(members: _Members, view: _View, skeleton: Skeleton) -> Float64:
    """(T,) size of the view by lifts of it; where they face makes no difference."""
    mean = members.rows.mean(axis=0, dtype=np.float64)
    joints, n = recover_joints(mean, skeleton) * skeleton.metres_per_unit, len(mean)
    shown, seen, sure = view.joints[:n], view.seen[:n], view.confidence[:n]
    return view_size(joints, shown, seen, sure, fit_camera(joints, shown, seen, sure))


def _lift_pairs(checkpoint: Checkpoint, view: _View, scales: Sequence[float]) -> _Members:
    """The view and its mirror image, lifted at each scale; of long motions a few at a time."""
    skeleton, frames = checkpoint.skeleton, len(view.mask)
    every = [(scale, mirrored) for scale in scales for mirrored in (False, True)]
    rows, windows = np.empty((len(every), frames, skeleton.dim3), np.float32), 0
    size = clips_at_once(checkpoint, frames)
    for first in range(0, len(every), size):
        some = every[first : first + size]
        looks = zip(*(_look(view, *each, skeleton) for each in some), strict=True)
        lifted, more = lift_together(checkpoint, *(np.stack(arrays) for arrays in looks))
        windows += more
        for i, (_, mirrored) in enumerate(some):
            rows[first + i] = mirror_features3d(lifted[i], skeleton) if mirrored else lifted[i]
    return _Members(rows, windows)


def _look(
    view: _View, scale: float, mirrored: bool, skeleton: Skeleton
) -> tuple[Float32, Bool, Float32]:
    """Features (T, D2), mask (T, D2) and confidence (T, J) of the view or its mirror image."""
    sized = view.joints if scale == 1.0 else (view.joints * scale).astype(np.float32)
    mask, sure = view.mask, view.confidence[:-1]
    if mirrored:
        sized = mirror_view(sized, skeleton)
        mask, sure = mask[:, mirror_columns2d(skeleton)], sure[:, list(skeleton.mirror_order)]
    return features_from_view(sized, skeleton), mask, sure


def _averaged(members: _Members, skeleton: Skeleton) -> EnsembleLift:
    every = members.rows
    found = recover_all_joints(every.mean(axis=0, dtype=np.float64), skeleton)
    # Mirror images tell less well where the first frame faces: no motion capture shows them.
    seen_so = every[::2].mean(axis=0, dtype=np.float64)
    joints = turned_like(found, recover_all_joints(seen_so, skeleton))
    rows = features_from_canonical(joints, skeleton)
    spread = _spread(every, skeleton) * np.float32(skeleton.metres_per_unit)
    whole = recover_joints(rows, skeleton)
    return EnsembleLift(rows, whole, spread, members.windows, len(every))


def turned_like(joints: AnyFloat, other: AnyFloat) -> Float64:
    """A motion turned about the vertical by the one angle that brings it closest to another.

    Args:
        joints: (T, J, 3), Y up.
        other: (T, J, 3) of the same body.
    """
    a, b = joints - joints[:, :1], other - other[:, :1]
    sine = (a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]).sum()
    cosine = (a[..., 0] * b[..., 0] + a[..., 2] * b[..., 2]).sum()
    turn = azimuth_rotation(float(np.rad2deg(np.arctan2(sine, cosine))))
    return np.asarray(joints.astype(np.float64) @ turn.T)


def _spread(members: Float32, skeleton: Skeleton) -> Float32:
    """(T, J) standard deviation over the members (M, T, D3), in the skeleton's length unit."""
    where = field_slices(skeleton)
    out = np.zeros((members.shape[1], skeleton.n_joints), np.float32)
    for first in range(0, len(out), SPREAD_FRAMES):
        some = slice(first, first + SPREAD_FRAMES)
        part = members[:, some].astype(np.float64)
        height = part[..., where["height"]]
        local = part[..., where["positions"]].reshape(*part.shape[:2], -1, 3).copy()
        local[..., 1] -= height
        out[some, 0] = height[..., 0].std(axis=0)
        out[some, 1:] = np.sqrt(local.var(axis=0).sum(axis=-1))
    return out
