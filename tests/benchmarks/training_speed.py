"""A training step at the paper's size: ours against the published loop written plainly.

    OMP_NUM_THREADS=1 python tests/benchmarks/training_speed.py --batch 4 --steps 3
    OMP_NUM_THREADS=1 python tests/benchmarks/training_speed.py --data STORE --datasets cmu hdm05
    python tests/benchmarks/training_speed.py --device cuda --steps 20

Needs torch, numpy, transformers, accelerate, safetensors and pyarrow. The baseline is
`published_loop.py`: float32, text encoder inside the step, four separate encodings and decodings,
eager attention, AdamW. It is given its features ready-made, so reading data costs it nothing.
Ours is `models.train.train_step` itself: on full-length crops, so that no padding is saved, or with
`--data` on clips as long as those of a store's training split, in batches of about one length
(`crossdiff train --group-lengths`). The published loop pads every clip to 196 frames whatever its
length. Of an epoch's steps those in the middle of equal parts by length are taken, so that their
mean is the epoch's.

Both take their steps in turns, after one step each that is not counted. `--precision` chooses
ours; several are measured in the same turns. On a CPU the seconds are of processor time, summed
over threads, and so that batch 32 fits into 24 GB of memory the baseline goes backward path by
path, ours in parts of 8 clips (`--accumulate`): the same products.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from accelerate import Accelerator  # noqa: E402
from accelerate.state import AcceleratorState  # noqa: E402
from published_loop import CLIP_CONTEXT, PATHS, PublishedNetwork, TextTower  # noqa: E402
from synthetic_motion import random_motions  # noqa: E402

from flows.train_options import GROUPED_BATCHES  # noqa: E402
from models.batches.augment import CROP_UNIT  # noqa: E402
from models.data.training_data import MotionBank, build_bank  # noqa: E402
from models.diffusion import STEPS, ForwardProcess  # noqa: E402
from models.train.compiled_layers import compile_layers  # noqa: E402
from models.train.run_state import Run, start_run  # noqa: E402
from models.train.step_clock import StepClock  # noqa: E402
from models.train.train_config import PRESETS, TrainConfig  # noqa: E402
from models.train.train_step import Fixed, train_step  # noqa: E402
from pipeline.normalisation import Statistics  # noqa: E402
from pipeline.skeletons import HUMANML3D  # noqa: E402
from storage.store import open_store  # noqa: E402

CPU_PART = 8
"""Clips that go through the network together on a CPU."""
MOTIONS = 8
"""Different motions to draw from; a step's cost does not depend on it."""
Seconds = dict[str, float]
Step = Callable[[StepClock], None]


class CpuClock(StepClock):
    """Seconds of work of this process: what else the machine does at the time does not count."""

    def _now(self) -> float:
        return time.process_time()


def paper_config(batch: int, precision: str, parts: int, *, compiled: bool) -> TrainConfig:
    """The preset `paper` with this batch and precision."""
    changes = {"batch_size": batch, "precision": precision, "compile": compiled}
    return dataclasses.replace(PRESETS["paper"], **changes, accumulate=parts)


def store_lengths(url: str, datasets: Sequence[str]) -> list[int]:
    """Frames of every clip of a store's training split that a step can use."""
    columns = ["n_frames", "split", "dataset"]
    rows = open_store(url).snapshot("motions").read(columns=columns).to_pylist()
    return [
        row["n_frames"]
        for row in rows
        if row["split"] == "train" and row["n_frames"] > CROP_UNIT
        if not datasets or row["dataset"] in datasets
    ]


def grouped_step(
    config: TrainConfig, device: torch.device, lengths: list[int], steps: int
) -> tuple[Step, float]:
    """`train_step` on clips of these lengths, grouped; and the rows of a step, on average."""
    config = dataclasses.replace(config, masks_padding=True, length_groups=GROUPED_BATCHES)
    longest = config.network.max_frames
    cut = [min(frames, longest + 1) for frames in lengths]
    made = prepared(config, device, cut)
    whole = len(cut) // config.batch_size  # steps of an epoch
    walk = made.fixed.walk
    assert walk is not None
    size, rows = config.batch_size, made.bank.rows.cpu()
    long = [int(rows[walk.take(i * size, size).cpu()].max()) // CROP_UNIT for i in range(whole)]
    by_length = sorted(range(whole), key=lambda i: long[i])
    # The warm-up takes the longest; then the middles of equal parts of the epoch.
    chosen = [by_length[-1], *(by_length[int((k + 0.5) / steps * whole)] for k in range(steps))]
    turns = iter(chosen)

    def step(clock: StepClock) -> None:
        made.run.step = next(turns)
        train_step(made.run, made.model, made.bank, made.accelerator, made.fixed, clock)

    return step, CROP_UNIT * statistics.mean(long)


def our_step(config: TrainConfig, device: torch.device) -> Step:
    """`train_step` on synthetic motions of full length with cached text embeddings."""
    made = prepared(config, device, [config.network.max_frames + 2 * CROP_UNIT] * MOTIONS)

    def step(clock: StepClock) -> None:
        train_step(made.run, made.model, made.bank, made.accelerator, made.fixed, clock)
        made.run.step += 1

    return step


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What `train_step` takes."""

    run: Run
    model: Callable[..., dict[str, torch.Tensor]]
    bank: MotionBank
    accelerator: Accelerator
    fixed: Fixed


def prepared(config: TrainConfig, device: torch.device, lengths: list[int]) -> Prepared:
    """A run on synthetic motions of these frames."""
    AcceleratorState._reset_state(reset_partial_state=True)  # one precision after the other
    accelerator = Accelerator(mixed_precision=config.precision, cpu=device.type == "cpu")
    motions = random_motions(lengths, config.network.text_dim)
    widths = (HUMANML3D.dim3, HUMANML3D.dim2)
    d3, d2 = ((np.zeros(n, np.float32), np.ones(n, np.float32)) for n in widths)
    run = start_run(config, Statistics(*d3, *d2), device, HUMANML3D)
    bank = build_bank(motions, config.network.text_dim).to(device)
    fixed = Fixed.create(run, bank, device)
    model, run.optimizer = accelerator.prepare(run.network, run.optimizer)
    if config.compile:
        compile_layers(run.network)
    run.network.train()
    return Prepared(run, model, bank, accelerator, fixed)


def baseline_step(config: TrainConfig, device: torch.device) -> Step:
    """The published loop on ready-made features."""
    torch.manual_seed(0)
    by_path = device.type == "cpu"
    c, batch = config.network, config.batch_size
    network = PublishedNetwork(c).to(device).train()
    text = TextTower().to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=0.0)
    process = ForwardProcess.create(device)
    tokens = torch.randint(0, text.vocabulary, (batch, CLIP_CONTEXT), device=device)
    clean = {
        "3d": torch.randn(batch, c.max_frames, c.dim3, device=device),
        "2d": torch.randn(batch, c.max_frames, c.dim2, device=device),
    }

    def step(clock: StepClock) -> None:
        embedded = text(tokens)
        clock.lap("text")
        keep = torch.rand(batch, 1, device=device) >= config.text_drop
        t = torch.randint(0, STEPS, (batch,), device=device)
        noised = {d: process.add_noise(x, t, torch.randn_like(x)) for d, x in clean.items()}
        optimizer.zero_grad()
        for together in [[path] for path in PATHS] if by_path else [list(PATHS)]:
            outputs = [(d, network(noised[s], s, d, t, embedded * keep)) for s, d in together]
            loss = torch.stack([((out - clean[d]) ** 2).mean() for d, out in outputs]).sum()
            clock.lap("forward")
            loss.backward()
            clock.lap("backward")
        optimizer.step()
        clock.lap("optimizer")

    return step


def in_turns(
    contestants: dict[str, Step], steps: int, device: torch.device
) -> dict[str, list[Seconds]]:
    """Seconds of each step of each contestant; the first round is not counted."""
    rounds: dict[str, list[Seconds]] = {name: [] for name in contestants}
    for number in range(steps + 1):
        for name, step in contestants.items():
            clock = CpuClock(device) if device.type == "cpu" else StepClock(device)
            step(clock)
            taken = clock.seconds
            if number:
                rounds[name].append(taken)
            label = f"round {number}" if number else "warm-up"
            print(f"{label}: {name} {sum(taken.values()):.3f} s", file=sys.stderr, flush=True)
    return rounds


def summary(rounds: list[Seconds]) -> Seconds:
    """Median seconds of every stage, and of the whole step."""
    out = {stage: statistics.median(r[stage] for r in rounds) for stage in rounds[0]}
    return out | {"step": statistics.median(sum(r.values()) for r in rounds)}


def mean_summary(rounds: list[Seconds]) -> Seconds:
    """Mean seconds of every stage, and of the whole step: of steps of different lengths."""
    out = {stage: statistics.mean(r[stage] for r in rounds) for stage in rounds[0]}
    return out | {"step": statistics.mean(sum(r.values()) for r in rounds)}


def report(result: dict[str, Seconds], baseline: str) -> list[str]:
    """A table: milliseconds of every stage, and how many times faster than the baseline."""
    stages = ("data", "text", "forward", "backward", "optimizer", "step")
    lines = [f"{'ms':18}" + "".join(f"{s:>11}" for s in stages) + f"{'faster':>9}"]
    for name, seconds in result.items():
        cells = "".join(f"{1e3 * seconds.get(s, 0.0):11.1f}" for s in stages)
        lines.append(f"{name:18}{cells}{result[baseline]['step'] / seconds['step']:8.2f}x")
    return lines


def main() -> None:
    """Measure, and print the table (stdout) or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5, help="steps that count, of each")
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=("no", "bf16"),
        help="of ours; default: float32, on a GPU also bf16",
    )
    parser.add_argument("--compile", action="store_true", help="also ours with compiled layers")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", help="store whose training split gives the clips' lengths")
    parser.add_argument("--datasets", nargs="*", default=[], help="of the store; default: all")
    given = parser.parse_args()
    precisions = given.precision or (["no"] if given.device == "cpu" else ["no", "bf16"])
    device, named = torch.device(given.device), {"no": "float32", "bf16": "bf16"}
    paper = paper_config(given.batch, "no", 1, compiled=False)
    contestants = {"published loop": baseline_step(paper, device)}
    rows = float(paper.network.max_frames)
    parts = -(-given.batch // CPU_PART) if device.type == "cpu" else 1
    for compiled in (False, True) if given.compile else (False,):
        for precision in precisions:
            config = paper_config(given.batch, precision, parts, compiled=compiled)
            name = f"ours, {named[precision]}" + (", compiled" if compiled else "")
            if given.data is None:
                contestants[name] = our_step(config, device)
            else:
                lengths = store_lengths(given.data, given.datasets)
                made = grouped_step(config, device, lengths, given.steps)
                contestants[name], rows = made
    told = summary if given.data is None else mean_summary
    result = {
        name: told(rounds) for name, rounds in in_turns(contestants, given.steps, device).items()
    }
    where = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    about = {
        "device": where,
        "threads": torch.get_num_threads(),
        "batch": given.batch,
        "steps": given.steps,
        "torch": torch.__version__,
        "our rows a step": round(rows, 1),
    }
    if given.json:
        print(json.dumps({**about, "seconds": result}))
        return
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print("\n".join(report(result, "published loop")))


if __name__ == "__main__":
    main()
