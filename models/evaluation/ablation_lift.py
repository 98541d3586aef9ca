"""The lift's error of an ablation's checkpoint, without baselines."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from models.checkpoint import Checkpoint
from models.data.motion import Motion
from models.lifting.lift import lift
from models.lifting.lift_metrics import summarise
from models.lifting.lift_observation import Condition, observe, true_motion
from pipeline.arrays import AnyFloat

FRONT_DEG = 0.0
VIEWS_DEG = (FRONT_DEG, 90.0, 180.0, 270.0)
"""Azimuths of front, left, back and right."""
LIFT_FIGURES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "pa_mpjpe_mm": ("PA-MPJPE", "Of the lift of clean 2D in the four views, without text."),
        "mpjpe_mm": ("MPJPE", "The same, root aligned only: the heading counts."),
        "front_pa_mpjpe_mm": ("PA-MPJPE, front", "Of the lift of the front view alone."),
    }
)
"""Name in metrics.json -> label and meaning; all in millimetres."""
_CLEAN = Condition("clean")
_Pairs = list[tuple[AnyFloat, AnyFloat]]


def measurable(motions: Iterable[Motion]) -> list[Motion]:
    """Unmirrored motions whose 3D was measured: what `crossdiff evaluate lift` measures on."""
    return [m for m in motions if m.has_3d and m.view is None and not m.mirrored]


def lift_errors(checkpoint: Checkpoint, motions: Iterable[Motion]) -> dict[str, float]:
    """Errors in millimetres over all frames of all motions, by the names of `LIFT_FIGURES`.

    Args:
        checkpoint: Its 2D-to-3D path is measured.
        motions: Of the checkpoint's skeleton, with known 3D.

    Raises:
        ValueError: No motion.
    """
    pairs: dict[float, _Pairs] = {azimuth: [] for azimuth in VIEWS_DEG}
    for motion in motions:
        for azimuth, pair in zip(VIEWS_DEG, _lifted(checkpoint, motion), strict=True):
            pairs[azimuth].append(pair)
    everywhere = summarise([pair for part in pairs.values() for pair in part])
    front = summarise(pairs[FRONT_DEG])
    return {
        "pa_mpjpe_mm": everywhere.pa_mpjpe_mm,
        "mpjpe_mm": everywhere.mpjpe_mm,
        "front_pa_mpjpe_mm": front.pa_mpjpe_mm,
    }


def _lifted(checkpoint: Checkpoint, motion: Motion) -> Sequence[tuple[AnyFloat, AnyFloat]]:
    """(lifted, true) joints in metres, of each view."""
    skeleton = checkpoint.skeleton
    truth = true_motion(motion, skeleton).joints
    seen = (observe(motion, azimuth, skeleton, _CLEAN) for azimuth in VIEWS_DEG)
    lifts = [lift(checkpoint, view.features, view.mask) for view in seen]
    return [(one.joints * skeleton.metres_per_unit, truth) for one in lifts]
