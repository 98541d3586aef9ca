"""What a real detector's 2D is off by, measured on rendered clips: where detector noise comes from.

    OMP_NUM_THREADS=1 python tests/benchmarks/detector_errors.py [FOLDER of rendered clips]

Compares the joints as the lift is given them (mapped, cleaned, 20 frames a second) with the exact
pixels of the same joints. Lengths are metres on a body of the canonical size. What it prints is
what `models.batches.measured_noise` holds as the preset `blazepose`.
"""

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.lifting.label_config import LabelConfig
from models.lifting.labelling import label_clip
from pipeline.arrays import Bool, Float64
from pipeline.body_scale import pixels_per_metre
from pipeline.pose import make_estimator
from pipeline.skeletons import HUMANML3D

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
FPS = HUMANML3D.fps
LAGS = (1, 2, 4, 8, 16)
"""Frames at 20 a second, 0.05 to 0.8 s."""
PAIRS = {"legs": ((1, 2), (4, 5), (7, 8), (10, 11)), "arms": ((16, 17), (18, 19), (20, 21))}
SWAP_MARGIN = 0.6
"""A limb pair counts as swapped where exchanging it brings the error under this share of it."""
SWAP_APART_M = 0.12
"""Truths nearer to each other than this cannot be told to be swapped."""
BINS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.001)
"""Of confidence."""


@dataclass(frozen=True)
class ClipErrors:
    """One motion's 2D beside its truth."""

    name: str
    error: Float64
    """(T, 22, 2) measured minus true, metres."""
    truth: Float64
    """(T, 22, 2) metres."""
    seen: Bool
    """(T, 22)"""
    confidence: Float64
    """(T, 22)"""
    log_scale: float
    """Log of the measured body scale over the one that the exact pixels give."""


def measure(folder: Path) -> Iterator[ClipErrors]:
    """Errors of every motion that the labelling makes of the clips."""
    estimator = make_estimator("packaged")
    for video in sorted(folder.glob("*/*.avi")):
        with np.load(video.with_suffix(".truth.npz"), allow_pickle=False) as file:
            exact, fps = file["joints2d_px"].astype(np.float64), float(file["fps"])
        result = label_clip(video, estimator, None, LabelConfig())
        if not result.motions:
            print(f"{video.stem}: {result.reason} {result.detail}")
        for motion in result.motions:
            times = motion.start_s + np.arange(len(motion.seen)) / FPS
            truth = _at(exact, times * fps)
            scale = pixels_per_metre(truth.astype(np.float32), np.ones(motion.seen.shape, bool))
            yield ClipErrors(
                video.stem,
                (motion.pixels - truth) / scale,
                truth / scale,
                motion.seen,
                motion.confidence.astype(np.float64),
                float(np.log(motion.px_per_metre / scale)),
            )


def _at(values: Float64, frames: Float64) -> Float64:
    """(T, J, 2) between the frames of (N, J, 2), linear."""
    low = np.clip(np.floor(frames).astype(int), 0, len(values) - 2)
    share = np.clip(frames - low, 0.0, 1.0)[:, None, None]
    return np.asarray((1 - share) * values[low] + share * values[low + 1])


def joint_levels(clips: list[ClipErrors]) -> dict[str, list[float]]:
    """Per joint: sd (metres a coordinate) of the constant and of the moving part of the error."""
    constant, moving, tail = [], [], []
    for j in range(22):
        means, rest = [], []
        for clip in clips:
            e = clip.error[clip.seen[:, j], j]
            if len(e) < FPS:
                continue
            centre = np.median(e, axis=0)
            means.append(centre)
            rest.append((e - centre).ravel())
        m, r = np.concatenate(means), np.concatenate(rest)
        robust = 1.4826 * np.median(np.abs(r))
        constant.append(round(1.4826 * float(np.median(np.abs(m))), 4))
        moving.append(round(float(robust), 4))
        tail.append(round(float(r.std() / robust), 2))
    return {"constant_m": constant, "moving_m": moving, "sd_over_robust_sd": tail}


def correlation(clips: list[ClipErrors]) -> dict[int, float]:
    """Autocorrelation in time of the moving part of limb and head joints' errors."""
    out = {}
    for lag in LAGS:
        products, squares = 0.0, 0.0
        for clip in clips:
            for j in (*range(1, 3), 4, 5, 7, 8, 15, *range(16, 22)):
                both = clip.seen[:-lag, j] & clip.seen[lag:, j]
                if both.sum() < FPS:
                    continue
                e = clip.error[:, j] - np.median(clip.error[clip.seen[:, j], j], axis=0)
                size = np.clip(e, -0.1, 0.1)  # a few failures would be all that is seen
                products += float((size[:-lag] * size[lag:])[both].sum())
                squares += float((size[:-lag] ** 2 + size[lag:] ** 2)[both].sum()) / 2
        out[lag] = round(products / squares, 3)
    return out


def swaps(clips: list[ClipErrors]) -> dict[str, dict[str, float]]:
    """Share of frames in which a pair of limbs is exchanged, and the mean length of a span."""
    out = {}
    for name, pairs in PAIRS.items():
        frames = spans = swapped = 0
        for clip in clips:
            here = clip.truth + clip.error
            straight, crossed, apart = (np.zeros(len(here)) for _ in range(3))
            for a, b in pairs:
                both = clip.seen[:, a] & clip.seen[:, b]
                d = {(i, k): np.linalg.norm(here[:, i] - clip.truth[:, k], axis=-1) * both
                     for i in (a, b) for k in (a, b)}  # fmt: skip
                straight += d[a, a] + d[b, b]
                crossed += d[a, b] + d[b, a]
                gap = np.linalg.norm(clip.truth[:, a] - clip.truth[:, b], axis=-1) * both
                apart = np.maximum(apart, gap)
            wrong = (crossed < SWAP_MARGIN * straight) & (apart > SWAP_APART_M)
            frames += len(here)
            swapped += int(wrong.sum())
            spans += int((np.diff(np.concatenate([[0], wrong.astype(int)])) == 1).sum())
        out[name] = {
            "share": round(swapped / max(frames, 1), 4),
            "mean_span_frames": round(swapped / max(spans, 1), 1),
        }
    return out


def confidence_by_error(clips: list[ClipErrors]) -> dict[str, object]:
    """Error per bin of confidence, and logit(confidence) as a line over log(error)."""
    joints = [4, 5, 7, 8, 10, 11, 15, 18, 19, 20, 21]
    pairs = [
        (c.confidence[:, j][c.seen[:, j]], np.linalg.norm(c.error[:, j][c.seen[:, j]], axis=-1))
        for c in clips
        for j in joints
    ]
    sure, off = (np.concatenate(x) for x in zip(*pairs, strict=True))
    bins = {}
    for low, high in itertools.pairwise(BINS):
        inside = (sure >= low) & (sure < high)
        if inside.sum():
            quartiles = np.percentile(off[inside], [25, 50, 75, 90]).round(3).tolist()
            bins[f"{low}-{high}"] = {"n": int(inside.sum()), "error_m": quartiles}
    logit = np.log(np.clip(sure, 1e-3, 0.9995) / (1 - np.clip(sure, 1e-3, 0.9995)))
    x = np.log(np.maximum(off, 0.005))
    slope, at_zero = np.polyfit(x, logit, 1)
    residual = float((logit - slope * x - at_zero).std())
    line = {"slope": slope, "at_1_m": at_zero, "residual": residual}
    seen = np.mean([c.seen[:, joints].mean() for c in clips])
    return {"bins": bins, "logit_line": {k: round(float(v), 3) for k, v in line.items()},
            "correlation": round(float(np.corrcoef(x, logit)[0, 1]), 3),
            "seen_share": round(float(seen), 3)}  # fmt: skip


def main() -> None:
    """Print every figure as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=SAMPLES)
    clips = list(measure(parser.parse_args().folder))
    scales = np.array([c.log_scale for c in clips])
    report = {
        "motions": len(clips),
        "frames": sum(len(c.seen) for c in clips),
        "log_scale": {"mean": round(float(scales.mean()), 4), "sd": round(float(scales.std()), 4)},
        "joints": HUMANML3D.joint_names,
        **joint_levels(clips),
        "correlation_by_lag": correlation(clips),
        "swaps": swaps(clips),
        "confidence": confidence_by_error(clips),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
