"""People of whom the hips are out of the picture: from the waist up, at a desk, in a close-up.

Every 2D position is counted from the root, so a view without a root tells the network hardly
anything: 85 mm PA-MPJPE of the upper body on 60 mocap motions, against 51 with hips placed as here
and 38 with all seen. Placed hips are a crutch for the network, not a sighting: rows mark them, and
the legs, as not seen.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from pipeline.arrays import AnyFloat, Bool, Float64
from pipeline.body_scale import MIN_FRAMES, PERCENTILE, pixels_per_metre
from pipeline.carriers import Pose2D
from pipeline.cleaning import CleanRun, spans
from pipeline.reasons import PipelineError, Reason
from pipeline.skeletons import HUMANML3D

Visible = Literal["full", "upper", "part"]
"""How much of a person one motion saw: hips and legs, neither, or something between."""
VISIBLE: tuple[Visible, ...] = get_args(Visible)

HIPS = ("left_hip", "right_hip")
SHOULDERS = ("left_shoulder", "right_shoulder")
ARMS = ("left_elbow", "right_elbow", "left_wrist", "right_wrist")
FEWEST_ARM_JOINTS = 2
"""Hips are placed under two shoulders and at least so many elbows and wrists; a face and a hand say
nothing about a body."""
TRUNK_M = 0.506
"""Middle of the shoulders to middle of the hips: canonical skeleton, mean over 60 training motions.
In the picture it is 0.73 to 1.2 times as long in 96 % of frames."""
HIP_WIDTHS = 0.53
"""Distance of the hip joints over that of the shoulder joints, the same motions."""
SHOULDER_WIDTH_M = 0.349
GUESS_LENGTHS = (0.5, 1.4)
"""A detector's guess of unseen hips is plausible when the trunk is so many times its length."""
GUESS_SHARE = 0.8
"""It is used in a stretch in which it is plausible in this share of frames: changing between two
ways to place hips would shake the root."""
UPPER_BONES = ((16, 18), (17, 19), (18, 20), (19, 21))
"""Upper arms and forearms; with the line between the shoulders they measure half a body."""
UPPER_AVERAGED = 3
FEWEST_UPPER_BONES = 2
TRUNK_JOINTS = (0, 1, 2, 3, 6, 9)
"""Pelvis, hips, spine: joints of which the hips make up more than a fifth (`joint_mapping`)."""
LEG_JOINTS = (4, 5, 7, 8)
"""Knees and ankles; feet are in few detectors' joint sets."""
MOSTLY, HARDLY = 0.5, 0.1
"""Share of joint-frames from which a part of the body counts as seen, and up to which as not."""


@dataclass(frozen=True)
class PlacedHips:
    """A detector's pose with hips where it saw none; the same pose where nothing was placed."""

    pose: Pose2D
    """Placed hips have the threshold for their confidence."""
    placed: Bool
    """(T,) at least one hip is no sighting."""
    guessed: Bool
    """(T,) placed where the detector itself took them to be; else below the shoulders."""
    known: Bool
    """(T,) both hips were seen or placed."""


@dataclass(frozen=True)
class SeenBody:
    """What one cleaned run really saw."""

    seen: Bool
    """(T, 22) for the row: `CleanRun.seen` without the joints that rest on placed hips."""
    placed: Bool
    """(T, 22) joints that rest on placed hips."""
    visible: Visible

    @property
    def anchored(self) -> Bool:
        """(T, 22) for fits and figures that count from the root: `seen`, and the placed root."""
        out = self.seen.copy()
        out[:, 0] |= self.placed[:, 0]
        return out


def place_hips(
    pose: Pose2D, names: tuple[str, ...], *, threshold: float, pixel_aspect: float = 1.0
) -> PlacedHips:
    """Give every frame with enough of an upper body a pair of hips; before `map_joints`.

    Args:
        pose: One tracked person.
        names: The joint set's names, in the order of `pose.joints`.
        threshold: Confidence from which a joint counts as seen.
        pixel_aspect: Width of a pixel over its height.
    """
    index = {name: names.index(name) for name in (*HIPS, *SHOULDERS, *ARMS)}
    square = pose.joints.astype(np.float64) * [pixel_aspect, 1.0]
    sure = (pose.confidence >= threshold) & np.isfinite(square).all(axis=-1)
    hips = [index[name] for name in HIPS]
    shoulders = sure[:, [index[name] for name in SHOULDERS]].all(axis=1)
    arms = sure[:, [index[name] for name in ARMS]].sum(axis=1) >= FEWEST_ARM_JOINTS
    seen = sure[:, hips].all(axis=1)
    placed = ~seen & shoulders & arms
    scale = _scale_of_pose(square, sure, index) if placed.any() else None
    if scale is None:
        nothing = np.zeros_like(seen)
        return PlacedHips(pose, nothing, nothing, seen)
    below = _below_shoulders(square, names, sure, scale)
    guessed = _plausible_guesses(square, index, placed, scale)
    put = np.where(guessed[:, None, None], square[:, hips], below)
    missing = placed[:, None] & ~sure[:, hips]
    joints, confidence = pose.joints.copy(), pose.confidence.copy()
    joints[:, hips] = np.where(missing[..., None], put / [pixel_aspect, 1.0], joints[:, hips])
    confidence[:, hips] = np.where(missing, np.float32(threshold), confidence[:, hips])
    filled = replace(pose, joints=joints, confidence=confidence)
    return PlacedHips(filled, placed, guessed, seen | placed)


def seen_body(run: CleanRun, hips: PlacedHips, fps: float) -> SeenBody:
    """Tell what a run saw from what was placed.

    A frame of the even grid rests on the two frames around it in which the hips were known: it
    counts as placed when either is.

    Args:
        run: Cleaned from the pose with placed hips.
        hips: The hips of the whole track.
        fps: Of the run.
    """
    times, placed = hips.pose.times[hips.known], hips.placed[hips.known]
    rests = np.zeros(len(run.seen), np.bool_)
    if placed.any():
        grid = run.start_s + np.arange(len(run.seen)) / fps
        after = np.searchsorted(times, grid).clip(0, len(times) - 1)
        rests = placed[after] | placed[(after - 1).clip(0)]
    joints = np.zeros(run.seen.shape, np.bool_)
    joints[:, TRUNK_JOINTS] = rests[:, None]
    joints &= run.seen
    seen = run.seen & ~joints
    return SeenBody(seen, joints, visible_part(seen))


def visible_part(seen: Bool) -> Visible:
    """How much of a body a motion saw.

    `full`: hips and legs in at least half of the joint-frames; `upper`: both in at most a tenth of
    them; `part`: anything between, such as a camera that zooms in.

    Args:
        seen: (T, 22) without placed joints.
    """
    shares = [float(seen[:, list(part)].mean()) for part in ((0, 1, 2), LEG_JOINTS)]
    if min(shares) >= MOSTLY:
        return "full"
    return "upper" if max(shares) <= HARDLY else "part"


def half_body_scale(joints: AnyFloat, seen: Bool) -> float:
    """Pixels a metre by the common rule, or by arms and shoulders where too few bones are seen.

    Arms and shoulders alone make it 4 % too large on average, with a spread of 12 % (60 training
    motions in five views).

    Args:
        joints: (T, 22, 2) pixels, square ones.
        seen: (T, 22) without placed joints.

    Raises:
        PipelineError: `too_few_joints` when fewer than two bones can be measured.
    """
    try:
        return pixels_per_metre(np.asarray(joints, np.float32), seen)
    except PipelineError:
        scale = _upper_scale(joints, seen)
    if scale is None:
        raise PipelineError(
            Reason.TOO_FEW_JOINTS,
            "neither arms nor shoulders can be seen long enough to judge the body's size",
        )
    return scale


def known_to_network(view: AnyFloat, seen: Bool) -> Bool:
    """(T, J) joints that a stored view has, seen or placed: what the network's mask is made of.

    A row keeps the place of placed joints and has exact zeros where nothing was known; the root,
    which counts from itself, is known where a hip is.

    Args:
        view: (T, J, 2) as a row keeps it.
        seen: (T, J) as a row keeps it.
    """
    known = seen | (view != 0.0).any(axis=-1)
    known[:, 0] |= known[:, 1] & known[:, 2]
    return np.asarray(known)


def _scale_of_pose(square: Float64, sure: Bool, index: dict[str, int]) -> float | None:
    """Pixels a metre of arms and shoulders as a detector names them."""
    joints = np.zeros((len(square), HUMANML3D.n_joints, 2))
    seen = np.zeros(joints.shape[:2], np.bool_)
    for name in (*SHOULDERS, *ARMS):
        joint = HUMANML3D.joint_names.index(name)
        joints[:, joint], seen[:, joint] = square[:, index[name]], sure[:, index[name]]
    return _upper_scale(joints, seen)


def _upper_scale(joints: AnyFloat, seen: Bool) -> float | None:
    """As `pixels_per_metre`, from arms and shoulders; None when too few are seen."""
    lengths = np.asarray(HUMANML3D.canonical_lengths)
    bones = [(a, b, float(lengths[b])) for a, b in UPPER_BONES]
    ratios = []
    for a, b, length in (*bones, (16, 17, SHOULDER_WIDTH_M)):
        both = seen[:, a] & seen[:, b]
        if both.sum() >= MIN_FRAMES:
            shown = np.linalg.norm(joints[both, a] - joints[both, b], axis=-1)
            ratios.append(float(np.percentile(shown, PERCENTILE)) / length)
    if len(ratios) < FEWEST_UPPER_BONES:
        return None
    return float(np.mean(sorted(ratios)[-UPPER_AVERAGED:])) or None


def _below_shoulders(
    square: Float64, names: tuple[str, ...], sure: Bool, px_per_metre: float
) -> Float64:
    """(T, 2, 2) hips a trunk's length below the shoulders.

    Straight down: on 100 training motions the hips' middle is then off by 7 cm on average, 12 along
    the line from head to shoulders, which a nod turns. Only who stands on the head is followed.
    """
    left, right = (square[:, names.index(name)] for name in SHOULDERS)
    middle, across = (left + right) / 2, (left - right) * (HIP_WIDTHS / 2)
    nose = names.index("nose")
    upside_down = sure[:, nose] & (square[:, nose, 1] > middle[:, 1])
    along = middle - square[:, nose]
    length = np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), np.finfo(np.float64).tiny)
    down = np.where(upside_down[:, None], along / length, [0.0, 1.0])
    hips = middle + down * (TRUNK_M * px_per_metre)
    return np.stack([hips + across, hips - across], axis=1)


def _plausible_guesses(
    square: Float64, index: dict[str, int], placed: Bool, px_per_metre: float
) -> Bool:
    """(T,) frames of those stretches in which the detector's own guess can be believed.

    A detector that gives pixels for joints it does not see knows more of the pose than the
    shoulders do: on clips cut at the waist its guess is off by 6 to 9 % of the trunk, straight down
    by 8 to 15 %.
    """
    hips = square[:, [index[name] for name in HIPS]].mean(axis=1)
    shoulders = square[:, [index[name] for name in SHOULDERS]].mean(axis=1)
    lengths = np.linalg.norm(hips - shoulders, axis=-1) / (TRUNK_M * px_per_metre)
    fair = (lengths >= GUESS_LENGTHS[0]) & (lengths <= GUESS_LENGTHS[1])
    out = np.zeros_like(placed)
    for start, stop in spans(placed):
        finite = np.isfinite(lengths[start:stop]).all()
        out[start:stop] = finite and fair[start:stop].mean() >= GUESS_SHARE
    return out
