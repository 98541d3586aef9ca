"""PA-MPJPE of checkpoints on held-out motions, under what a detector does to their 2D.

    OMP_NUM_THREADS=1 python tests/benchmarks/lift_conditions.py SET.parquet CHECKPOINT... \
        [--rendered FOLDER]

SET is what `crossdiff prepare snapshot` writes; its validation split is measured. `--rendered`
adds clips with known 3D, through the packaged detector. Every checkpoint sees the same 2D.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from models.batches.augment import CameraAugmentation, make_batch
from models.batches.detector_noise import DetectorNoise
from models.batches.measured_noise import BLAZEPOSE
from models.checkpoint import Checkpoint, load_checkpoint
from models.data.training_data import Motion, build_bank, read_motions
from models.lifting.label_config import LabelConfig
from models.lifting.labelling import label_clip
from models.lifting.lift import lift
from models.lifting.lift_metrics import pa_mpjpe
from models.lifting.lift_observation import Condition, observe, true_motion
from models.lifting.noisy_view import NoiseLevel
from pipeline.arrays import Bool, Float32, Float64
from pipeline.feature_masks import feature_mask2d
from pipeline.pose import make_estimator
from pipeline.representation2d import features_from_view
from pipeline.representation3d import recover_joints
from pipeline.skeletons import HUMANML3D

TEXT_DIM, WINDOW, SEED = 384, 128, 1
ANY_CAMERA = CameraAugmentation(continuous=1.0, elevation_deg=12.0)
OUT_OF_FRAME = DetectorNoise(
    share=1.0, jitter_m=0.0, scale=0.0, proportions=0.0, drop_share=0.0, frame_share=1.0
)
FPS = 20.0


@dataclass(frozen=True)
class Case:
    """One view to lift and what it is a view of."""

    features: Float32
    """(T, 134)"""
    mask: Bool
    confidence: Float32
    """(T, 22)"""
    truth: Float64
    """(T, 22, 3) metres."""


def plain_cases(motions: list[Motion], noise: NoiseLevel | None) -> Iterator[Case]:
    """Front to right, one of the four views a motion, clean or jittered."""
    for number, motion in enumerate(motions):
        seen = observe(motion, 90.0 * (number % 4), HUMANML3D, Condition("", noise))
        truth = true_motion(motion, HUMANML3D).joints
        mask = np.ones(seen.features.shape, bool) if seen.mask is None else seen.mask
        sure = np.ones(truth.shape[:2], bool) if seen.seen is None else seen.seen
        yield Case(seen.features, mask, sure.astype(np.float32), truth)


def spoilt_cases(motions: list[Motion], noise: DetectorNoise) -> Iterator[Case]:
    """From any azimuth, spoilt as in training, with confidences."""
    bank, g = build_bank(motions, TEXT_DIM), torch.Generator().manual_seed(SEED)
    index = torch.arange(len(motions))
    batch = make_batch(bank, index, WINDOW, HUMANML3D, camera=ANY_CAMERA, noise=noise, generator=g)
    assert batch.confidence is not None
    for i, rows in enumerate((~batch.pad).sum(1).tolist()):
        truth = recover_joints(batch.x3[i, :rows].numpy(), HUMANML3D).astype(np.float64)
        x2, mask, sure = (
            part[i, :rows].numpy() for part in (batch.input2, batch.mask2, batch.confidence)
        )
        yield Case(x2, mask, sure, truth)


def rendered_cases(folder: Path) -> Iterator[Case]:
    """What the packaged detector makes of clips with known 3D."""
    estimator = make_estimator("packaged")
    for video in sorted(folder.glob("*/*.avi")):
        with np.load(video.with_suffix(".truth.npz"), allow_pickle=False) as file:
            exact = file["joints3d_world"].astype(np.float64)
            fps = float(file["fps"])
        result = label_clip(video, estimator, None, LabelConfig())
        for motion in result.motions:
            n = len(motion.view) - 1
            times = motion.start_s + np.arange(n) / FPS
            nearest = np.clip(np.rint(times * fps).astype(int), 0, len(exact) - 1)
            yield Case(
                features_from_view(motion.view, HUMANML3D),
                feature_mask2d(motion.seen, HUMANML3D),
                motion.confidence[:n],
                exact[nearest],
            )


def error_mm(checkpoint: Checkpoint, cases: list[Case]) -> float:
    """Mean over clips of the mean over frames."""
    each = []
    for case in cases:
        joints = lift(checkpoint, case.features, case.mask, case.confidence).joints
        each.append(float(pa_mpjpe(joints, case.truth[: len(joints)]).mean()))
    return float(np.mean(each))


def all_cases(data: Path, rendered: Path | None) -> dict[str, list[Case]]:
    """By name of the condition."""
    motions = [m for m in read_motions(data) if m.split == "val"]
    whole = replace(BLAZEPOSE, share=1.0)
    cases = {
        "clean": list(plain_cases(motions, None)),
        "noise": list(plain_cases(motions, NoiseLevel())),
        "any azimuth": list(spoilt_cases(motions, DetectorNoise())),
        "blazepose": list(spoilt_cases(motions, whole)),
        "out of frame": list(spoilt_cases(motions, OUT_OF_FRAME)),
    }
    if rendered is not None:
        cases["rendered"] = list(rendered_cases(rendered))
    return cases


def main() -> None:
    """Print one row a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--rendered", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cases = all_cases(given.data, given.rendered)
    print(f"{'PA-MPJPE, mm':28}" + "".join(f"{n:>14}" for n in cases))
    print(f"{'clips':28}" + "".join(f"{len(c):14d}" for c in cases.values()))
    for folder in given.checkpoints:
        checkpoint = load_checkpoint(folder)
        row = "".join(f"{error_mm(checkpoint, c):14.2f}" for c in cases.values())
        print(f"{checkpoint.checkpoint_id[-28:]:28}{row}", flush=True)


if __name__ == "__main__":
    main()
