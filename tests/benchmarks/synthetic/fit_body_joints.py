"""Fit `models/weights/body_joints.json` on rendered clips of the TRAINING split.

    python -m tests.benchmarks.synthetic.fit_body_joints --data STORE --clips FOLDER --seen FOLDER

The label's weights are fitted on the captured motions and the bodies that perform them, without
any pixels. Those of the backend's own 3D are fitted on what it makes of the same clips' pixels.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from flows.training_sets import open_training_set
from models.evaluation.body_joints import FILE, LABEL, fit_weights
from models.evaluation.synthetic import SyntheticPlan, look
from models.evaluation.synthetic_measures import LIMB_INDEX, LIMBS, backend_3d
from models.evaluation.synthetic_truth import TruthClip, find_truth_clips
from models.evaluation.synthetic_variants import variants_of
from models.lifting.lift_metrics import procrustes_align
from pipeline.arrays import Float64
from pipeline.pose import make_estimator
from pipeline.skeletons import HUMANML3D
from tests.benchmarks.synthetic.choose import DATASETS
from tests.benchmarks.synthetic.film import resample

RIDGE = 1e-3
EVERY = 3
"""Frames are alike: every third is enough."""
SET = "mediapipe33"
DIGITS = 4
SPLIT = "train"


def main() -> None:
    """Write the weights and say how far apart the definitions are before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--seen", type=Path, required=True, help="folder for the 2D, reused")
    asked = parser.parse_args()
    asked.seen.mkdir(parents=True, exist_ok=True)
    clips = find_truth_clips(asked.clips)
    weights = {LABEL: _label_weights(clips, asked.data), SET: _backend_weights(clips, asked.seen)}
    rounded = {name: np.round(w, DIGITS).tolist() for name, w in weights.items()}
    told = {"clips": len(clips), "split": SPLIT, "ridge": RIDGE, "weights": rounded}
    FILE.write_text(json.dumps(told, indent=None) + "\n", encoding="utf-8")


def _label_weights(clips: list[TruthClip], data: str) -> Float64:
    motions = open_training_set(data, (SPLIT,), DATASETS).motions[SPLIT]
    joints = {motion.motion_id: motion.joints for motion in motions}
    pairs = []
    for clip in clips:
        with np.load(clip.video.with_suffix(".truth.npz"), allow_pickle=False) as file:
            motion = str(file["motion_id"])
        captured = resample(joints[motion], HUMANML3D.fps, clip.fps)[: len(clip.joints)]
        pairs.append((captured, clip.joints[: len(captured)].astype(np.float64)))
    mirrored = list(HUMANML3D.mirror_order)
    return _fit("label, 22 joints", pairs, mirrored)


def _backend_weights(clips: list[TruthClip], seen: Path) -> Float64:
    estimator = make_estimator("packaged")
    plan = SyntheticPlan(("packaged",), variants_of(["camera"]), seen)
    pairs = []
    for clip in clips:
        found = backend_3d(clip, look(clip, estimator, plan, list(plan.variants)))
        if found is not None:
            pairs.append((found.joints, clip.joints_at(found.times)[:, LIMB_INDEX]))
    other = [n.replace("left", "?").replace("right", "left").replace("?", "right") for n in LIMBS]
    return _fit("backend, 12 joints", pairs, [LIMBS.index(name) for name in other])


def _fit(name: str, pairs: list[tuple[Float64, Float64]], mirrored: list[int]) -> Float64:
    """Weights from both the motions and their mirror images: left and right are treated alike."""
    known = np.concatenate([procrustes_align(a, b)[::EVERY] for a, b in pairs])
    body = np.concatenate([b[::EVERY] for _, b in pairs])
    flip = np.array([-1.0, 1.0, 1.0])
    both = [np.concatenate([each, each[:, mirrored] * flip]) for each in (known, body)]
    weights = fit_weights(both[0], both[1], RIDGE)
    after = procrustes_align(np.einsum("jk,tkx->tjx", weights, known), body)
    off = [np.linalg.norm(each - body, axis=-1).mean() * 1000 for each in (known, after)]
    print(f"{name}: {off[0]:.1f} mm apart, {off[1]:.1f} mm with weights, {len(pairs)} clips")
    return weights


if __name__ == "__main__":
    main()
