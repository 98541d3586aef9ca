"""How smooth the seams of chained motions are: jerk where two sentences meet, and elsewhere.

`python tests/benchmarks/chain_seams.py [--checkpoint DIR] [--n 8] [--seed 0] [--steps 20]`

Three ways to join the same two sentences: a hard cut (rows put one after the other), and the two
of `models.generate.chaining`: `blend` and `continue`. Jerk is in m/s^3, of joints in the world: the
mean and the largest within half a second of the seam, the mean elsewhere, and the largest in any
one second elsewhere, as a measure for the second. `bone_error` is the largest relative change of a
bone's length near the seam: a blend passes through means of poses.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import tyro

from models.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from models.generate.chaining import SEAMS, chain, jerk, overlap_frames
from models.generate.generation import MotionRequest, frames_of, generate, noise_seed
from models.generate.sampling import SampleSettings
from models.text.text_encoder import MiniLM
from pipeline.arrays import Float32
from pipeline.representation3d import recover_joints

PAIRS = (
    ("a person walks forward", "a person sits down"),
    ("a person jumps", "a person waves with the right hand"),
    ("a person runs in a circle", "a person kicks with the left leg"),
    ("a person stands still", "a person dances"),
)
LENGTH_S = 4.0


NAMES = ("near_mean", "near_largest", "elsewhere_mean", "elsewhere_largest", "bone_error")


def figures(rows: Float32, seam: int, checkpoint: Checkpoint) -> tuple[float, ...]:
    """The numbers of `NAMES` for one motion."""
    fps, skeleton = checkpoint.skeleton.fps, checkpoint.skeleton
    joints = recover_joints(rows, skeleton)
    size = jerk(joints, fps)
    near = np.abs(np.arange(len(size)) + 1.5 - seam) < fps / 2
    windows = np.lib.stride_tricks.sliding_window_view(np.where(near, 0.0, size), near.sum())
    bones = np.stack(
        [np.linalg.norm(joints[:, c] - joints[:, p], axis=-1) for p, c in skeleton.bones]
    )
    usual = np.median(bones, axis=1, keepdims=True)
    part = slice(int(seam - fps / 2), int(seam + fps / 2))
    error = np.abs(bones[:, part] / usual - 1.0).max()
    elsewhere = float(windows.max(axis=1).mean())
    values = (size[near].mean(), size[near].max(), size[~near].mean(), elsewhere, error)
    return tuple(float(v) for v in values)


def main(
    checkpoint: Path = SHIPPED, n: int = 8, seed: int = 0, steps: int = 20, overlap_s: float = 1.0
) -> None:
    """Print one JSON object.

    Args:
        checkpoint: Checkpoint folder.
        n: Motions per pair of sentences.
        seed: Of the noise.
        steps: Denoising steps.
        overlap_s: Seconds that neighbours share.
    """
    loaded = load_checkpoint(checkpoint)
    shared, frames = overlap_frames(loaded, overlap_s), frames_of(LENGTH_S, loaded)
    settings, encoder = SampleSettings(steps=steps), MiniLM()
    found: dict[str, list[tuple[float, ...]]] = {}
    for pair in PAIRS:
        vectors = encoder.encode(pair)
        parts = [
            [MotionRequest(v, frames, noise_seed(seed, text, k)) for k in range(n)]
            for text, v in zip(pair, vectors, strict=True)
        ]
        second = [replace(r, frames=r.frames + shared) for r in parts[1]]
        alone = [generate(loaded, p, settings) for p in (parts[0], second)]
        for before, after in zip(*alone, strict=True):
            cut = np.concatenate([before.features, after.features[shared:]])
            found.setdefault("hard cut", []).append(figures(cut, frames, loaded))
        for seam in SEAMS:
            for motion in chain(loaded, parts, settings, seam=seam, overlap=shared):
                line = figures(motion.features, motion.starts[1], loaded)
                found.setdefault(seam, []).append(line)
    table = {
        way: dict(zip(NAMES, np.mean(rows, axis=0).round(3).tolist(), strict=True))
        for way, rows in found.items()
    }
    settled = {"checkpoint": loaded.checkpoint_id, "n": n * len(PAIRS), "seed": seed}
    print(json.dumps({**settled, "steps": steps, "overlap_s": overlap_s, "ways": table}))


if __name__ == "__main__":
    tyro.cli(main)
