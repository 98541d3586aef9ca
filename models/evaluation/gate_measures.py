"""What the gate measures of one checkpoint: errors on motion capture, fit to held-out clips."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.checkpoint import Checkpoint
from models.data.motion import Motion
from models.data.training_data import build_bank
from models.data.wild_bank import build_wild_bank
from models.evaluation.gate import LOSS_2D, LOSS_3D, MPJPE, PA_MPJPE
from models.evaluation.wild import evaluate_wild, lift_anew
from models.evaluation.wild_losses import wild_losses
from models.evaluation.wild_report import WILD_FIGURES
from models.train.validation import validate

MOCAP_MOTIONS = 256
"""At most so many motions of motion capture are measured, evenly spread over the split: two
minutes on one CPU core with the shipped weights."""
PATH_3D, PATH_2D = "3d->3d", "2d->2d"

Track = Callable[[Iterable[Motion], str], Iterable[Motion]]
"""Passes motions on and shows how far they are; the text says what is being done."""


@dataclass(frozen=True)
class GateClips:
    """What parent and candidate are both measured on."""

    mocap: Sequence[Motion] = field(repr=False)
    """Of the validation split, with known 3D."""
    held_out: Sequence[Motion] = field(repr=False)
    """From video, with captions and their embeddings."""


@dataclass(frozen=True)
class Measured:
    """One checkpoint's figures, by figure and motion id."""

    mocap: Mapping[str, Mapping[str, float]]
    wild: Mapping[str, Mapping[str, float]]


def gate_clips(mocap: Sequence[Motion], held_out: Sequence[Motion]) -> GateClips:
    """Unmirrored motion capture, evenly spread where there is much of it, and all held-out clips.

    Raises:
        ValueError: One of the two is empty.
    """
    known = [index for index in range(len(mocap)) if not mocap[index].mirrored]
    if not known or not held_out:
        raise ValueError(
            "the gate needs motion capture in the validation split and held-out clips: prepare "
            "one, hold out the others"
        )
    places = np.linspace(0, len(known) - 1, min(len(known), MOCAP_MOTIONS)).round()
    return GateClips([mocap[known[int(place)]] for place in places], list(held_out))


def measure(checkpoint: Checkpoint, clips: GateClips, track: Track) -> Measured:
    """All figures of one checkpoint; the same weights and clips give the same figures.

    Args:
        checkpoint: The network, in eval mode.
        clips: Motions of its skeleton.
        track: Shows progress.

    Raises:
        ValueError: A figure cannot be computed.
    """
    return Measured(_on_mocap(checkpoint, clips, track), _on_wild(checkpoint, clips, track))


def _on_mocap(
    checkpoint: Checkpoint, clips: GateClips, track: Track
) -> dict[str, dict[str, float]]:
    """Motion by motion, each with the same noise: then the two checkpoints can be paired."""
    found: dict[str, dict[str, float]] = {name: {} for name in (PA_MPJPE, MPJPE, LOSS_3D)}
    width, skeleton = checkpoint.network.config.text_dim, checkpoint.skeleton
    device = checkpoint.network.embed_text.weight.device
    for motion in track(clips.mocap, f"{checkpoint.checkpoint_id} on motion capture"):
        losses, errors = validate(
            checkpoint.network,
            build_bank([motion], width, skeleton).to(device),
            checkpoint.statistics,
            skeleton,
            masks_padding=checkpoint.masks_padding,
        )
        found[PA_MPJPE][motion.motion_id] = errors.pa_mpjpe_mm
        found[MPJPE][motion.motion_id] = errors.mpjpe_mm
        found[LOSS_3D][motion.motion_id] = losses[PATH_3D]
    return found


def _on_wild(checkpoint: Checkpoint, clips: GateClips, track: Track) -> dict[str, dict[str, float]]:
    name, skeleton = checkpoint.checkpoint_id, checkpoint.skeleton
    makers = {name: lift_anew(checkpoint)}
    told = evaluate_wild(clips.held_out, (), {}, makers, skeleton, track).figures[name]
    figures = {
        each: {motion_id: known[each] for motion_id, known in told.items() if each in known}
        for each in WILD_FIGURES
    }
    bank = build_wild_bank(
        clips.held_out,
        [0.0] * len(clips.held_out),  # 2D alone: a label of the parent's would favour the parent
        checkpoint.network.config.text_dim,
        skeleton,
    )
    losses = wild_losses(checkpoint, bank)[PATH_2D].tolist()
    ids = [motion.motion_id for motion in clips.held_out]
    return {**figures, LOSS_2D: dict(zip(ids, losses, strict=True))}
