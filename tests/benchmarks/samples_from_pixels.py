"""The whole way from pixels, against known 3D: error of the labels of the rendered sample clips.

    OMP_NUM_THREADS=1 python tests/benchmarks/samples_from_pixels.py

Beside it MediaPipe's own world landmarks on the same frames, over the twelve limb joints that both
have: what one gets without lifting.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from models.checkpoint import SHIPPED, load_checkpoint
from models.lifting.label_config import LabelConfig
from models.lifting.labelling import ClipResult, LabelledMotion, label_clip
from models.lifting.lift_metrics import mpjpe, pa_mpjpe
from pipeline.pose import JOINT_SETS, make_estimator
from pipeline.skeletons import HUMANML3D

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
LIMBS = [
    f"{side}_{part}"
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    for side in ("left", "right")
]
LIMB_INDEX = [HUMANML3D.joint_names.index(name) for name in LIMBS]
TRUTH_FPS = 20.0


def truth_of(motion: LabelledMotion, joints: np.ndarray) -> np.ndarray:
    """The known joints (20 fps) of the frames that the motion covers."""
    start = round(motion.start_s * TRUTH_FPS)
    return joints[start : start + len(motion.joints3d)]


def world_error(result: ClipResult, truth: np.ndarray, truth_times: np.ndarray) -> float:
    """PA-MPJPE (mm) of MediaPipe's own 3D over the limbs, at its own frame times."""
    (track,) = (each.person.track for each in result.wanted)
    index = [JOINT_SETS["mediapipe33"].index(name) for name in LIMBS]
    seen = np.isfinite(track.world[:, index]).all(axis=(1, 2))
    near = np.abs(truth_times[None] - track.pose.times[seen, None]).argmin(1)
    return float(pa_mpjpe(track.world[seen][:, index], truth[near][:, LIMB_INDEX]).mean())


def main() -> None:
    """Print one line a clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED)
    checkpoint = load_checkpoint(parser.parse_args().checkpoint)
    torch.set_num_threads(1)
    estimator = make_estimator("packaged")
    print(f"{checkpoint.checkpoint_id}, {estimator.estimator_id}")
    print(
        f"{'clip':14} {'frames':>6} {'MPJPE':>7} {'PA 22':>7} {'PA 12':>7} {'MediaPipe PA 12':>16}"
    )
    for video in sorted(SAMPLES.glob("*/*.avi")):
        with np.load(video.with_suffix(".truth.npz"), allow_pickle=False) as file:
            truth, world_truth = file["joints3d_20fps"], file["joints3d_world"]
            times = np.arange(len(world_truth)) / float(file["fps"])
        result = label_clip(video, estimator, checkpoint, LabelConfig())
        pairs = [(m.joints3d, truth_of(m, truth)) for m in result.motions]
        pairs = [(p[: len(q)], q) for p, q in pairs]
        plain = np.concatenate([mpjpe(p, q) for p, q in pairs])
        aligned = np.concatenate([pa_mpjpe(p, q) for p, q in pairs])
        limbs = np.concatenate([pa_mpjpe(p[:, LIMB_INDEX], q[:, LIMB_INDEX]) for p, q in pairs])
        print(
            f"{video.parent.name:14} {len(plain):6d} {plain.mean():7.1f} {aligned.mean():7.1f} "
            f"{limbs.mean():7.1f} {world_error(result, world_truth, times):16.1f}"
        )


if __name__ == "__main__":
    main()
