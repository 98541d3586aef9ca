"""Few-step samplers against the full reverse process: distance of what they draw, and seconds.

`python tests/benchmarks/sampling_steps.py [--checkpoint DIR] [--n 256] [--device auto]`

Every sampler at every step count draws the same n motions (same sentences, same lengths) as
DDPM-1000. A motion becomes a descriptor: mean and standard deviation over its frames of each
z-normalised feature. Descriptors are projected onto the 32 main directions of the reference's (or
fewer where n is small, since a covariance of n vectors holds no more), and the figure is the
Frechet distance of the two sets there (`models.evaluation.frechet`), divided by the reference's
total variance: 0 is the same distribution, 1 is off by as much as motions differ among themselves.
It is no text-motion FID. `floor` is the same figure for DDPM-1000 with other noise: what chance
alone gives; `halves` is it for one half of the reference against the other, n / 2 motions each.
Seconds are of sampling alone, after a warm-up, one sampler after the other in one process.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.checkpoint import SHIPPED_STAGE_2, Checkpoint, load_checkpoint
from models.evaluation.frechet import frechet_distance
from models.generate.generation import (
    BatchPlan,
    GeneratedMotion,
    MotionRequest,
    generate,
    noise_seed,
)
from models.generate.samplers import SAMPLERS
from models.generate.sampling import MODES, Mode, SampleSettings
from models.text.text_encoder import encoder_for_checkpoint
from pipeline.arrays import Float32, Float64

SENTENCES = (
    "a person walks forward", "a person walks in a circle", "a man runs forward and stops",
    "a person jumps up and down", "a person sits down on a chair", "someone stands up",
    "a person waves with the right hand", "a person throws a ball", "a person dances",
    "a person kicks with the left leg", "a person turns around and walks back",
    "a person does a cartwheel",
    "a person raises both arms", "a person bends down and picks something up",
    "a person walks sideways", "a person does jumping jacks",
)  # fmt: skip
FRAMES = (60, 120, 196)
DIRECTIONS = 32
FULL = SampleSettings(steps=1000, sampler="ddpm")


@dataclass(frozen=True)
class Timed:
    """What one setting drew."""

    motions: list[GeneratedMotion]
    seconds: float


def requests(
    checkpoint: Checkpoint, vectors: Float32, n: int, seed: int, lengths: Sequence[int] = FRAMES
) -> list[MotionRequest]:
    """n motions, sentences and lengths in turn."""
    longest = checkpoint.network.config.max_frames
    out = []
    for i in range(n):
        which = i % len(SENTENCES)
        frames = min(lengths[i // len(SENTENCES) % len(lengths)], longest)
        noise = noise_seed(seed, SENTENCES[which], i // len(SENTENCES))
        out.append(MotionRequest(vectors[which], frames, noise))
    return out


def timed(
    checkpoint: Checkpoint,
    asked: Sequence[MotionRequest],
    settings: SampleSettings,
    plan: BatchPlan,
) -> Timed:
    """Draw, and wait until the device is done (what was drawn is on the host then)."""
    begin = time.perf_counter()
    motions = generate(checkpoint, asked, settings, plan=plan)
    return Timed(motions, time.perf_counter() - begin)


def descriptors(checkpoint: Checkpoint, motions: Sequence[GeneratedMotion]) -> Float64:
    """(n, 2 D): mean and standard deviation over frames of each normalised feature."""
    s = checkpoint.statistics
    rows = [(m.features - s.mean3) / s.std3 for m in motions]
    return np.stack([np.concatenate([r.mean(0), r.std(0)]) for r in rows]).astype(np.float64)


def main_directions(reference: Float64, count: int) -> Float64:
    """(2 D, count) orthonormal, of the largest variance."""
    _, _, axes = np.linalg.svd(reference - reference.mean(0), full_matrices=False)
    return np.asarray(axes[:count].T)


def sentence_vectors(checkpoint: Checkpoint, embeddings: Path | None) -> Float32:
    """Embeddings of SENTENCES: encoded here, or read from a .npy file."""
    if embeddings is not None and embeddings.is_file():
        return np.asarray(np.load(embeddings, allow_pickle=False), np.float32)
    vectors = encoder_for_checkpoint(checkpoint).encode(SENTENCES)
    if embeddings is not None:
        np.save(embeddings, vectors)
    return vectors


def main(
    checkpoint: Path = SHIPPED_STAGE_2,
    n: int = 256,
    steps: tuple[int, ...] = (10, 20, 50),
    mode: Mode = MODES[0],
    guidance: float = 2.5,
    seed: int = 0,
    device: str = "auto",
    frames: tuple[int, ...] = FRAMES,
    rows: int | None = None,
    bf16: bool = False,
    embeddings: Path | None = None,
    floor: bool = True,
    out: Path | None = None,
) -> None:
    """Print one JSON object.

    Args:
        checkpoint: Checkpoint folder.
        n: Motions; 256 or more for figures to report.
        steps: Step counts to compare.
        mode: 3d or mixture.
        guidance: Guidance scale.
        seed: Of the noise; the floor takes the next one.
        device: auto, cpu, cuda.
        frames: Lengths of the motions, taken in turns.
        rows: Motions of a batch; default: what `crossdiff generate` takes on the device.
        bf16: Compute in bfloat16 on a GPU.
        embeddings: .npy with the sentences' embeddings; written if it is not there. For machines
            that have no text encoder.
        floor: Also draw all motions a second time with other noise; takes as long as the reference.
        out: Also write the object there.
    """
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    loaded = load_checkpoint(checkpoint, chosen)
    usual = BatchPlan.for_device(torch.device(chosen), bf16)
    plan = BatchPlan(rows or usual.rows, usual.frame_unit, bf16)
    vectors = sentence_vectors(loaded, embeddings)
    asked = requests(loaded, vectors, n, seed, frames)
    common = {"mode": mode, "guidance": guidance}
    full = SampleSettings(steps=FULL.steps, sampler=FULL.sampler, **common)
    timed(loaded, asked[: plan.rows], SampleSettings(steps=3, **common), plan)  # warm-up

    reference = timed(loaded, asked, full, plan)
    again = requests(loaded, vectors, n, seed + 1, frames) if floor else []
    other = timed(loaded, again, full, plan).motions if floor else []
    truth = descriptors(loaded, reference.motions)
    axes = main_directions(truth, min(DIRECTIONS, max(1, n // 4)))
    spread = float(np.trace(np.atleast_2d(np.cov(truth @ axes, rowvar=False))))

    copies = np.arange(n) // len(SENTENCES)  # every half holds every sentence
    halves = [truth[copies % 2 == part] @ axes for part in (0, 1)]

    def distance(motions: Sequence[GeneratedMotion]) -> float:
        return frechet_distance(truth @ axes, descriptors(loaded, motions) @ axes) / spread

    lines = []
    for sampler in SAMPLERS:
        for count in steps:
            drawn = timed(
                loaded, asked, SampleSettings(steps=count, sampler=sampler, **common), plan
            )
            line = {
                "sampler": sampler,
                "steps": count,
                "distance": round(distance(drawn.motions), 4),
                "seconds": round(drawn.seconds, 2),
                "times_faster": round(reference.seconds / drawn.seconds, 1),
            }
            print(line, file=sys.stderr, flush=True)
            lines.append(line)
    alone = generate(loaded, asked[-1:], SampleSettings(steps=10, **common), plan=plan)[0]
    among = generate(loaded, asked, SampleSettings(steps=10, **common), plan=plan)[-1]
    result = {
        "checkpoint": loaded.checkpoint_id, "n": n, "seed": seed, "frames": frames, **common,
        "bf16": bf16,
        "device": torch.cuda.get_device_name() if chosen != "cpu" else "cpu",
        "torch": torch.__version__, "threads": torch.get_num_threads(), "batch": plan.rows,
        "directions": axes.shape[1],
        "ddpm_1000_seconds": round(reference.seconds, 2),
        "floor": round(distance(other), 4) if floor else None,
        "halves": round(frechet_distance(halves[0], halves[1]) / spread, 4),
        "alone_against_among_others": float(np.abs(alone.features - among.features).max()),
        "samplers": lines,
    }  # fmt: skip
    print(json.dumps(result))
    if out is not None:
        out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    import tyro  # not needed to import this file and call main

    tyro.cli(main)
