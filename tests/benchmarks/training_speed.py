"""A training step at the paper's size: ours against the published loop written plainly.

    OMP_NUM_THREADS=1 python tests/benchmarks/training_speed.py --batch 4 --steps 3
    python tests/benchmarks/training_speed.py --device cuda --steps 20

Needs torch, numpy, transformers, accelerate, safetensors and pyarrow. The baseline is
`published_loop.py`: float32, text encoder inside the step, four separate encodings and decodings,
eager attention, AdamW. It is given its features ready-made, so reading data costs it nothing.
Ours is `models.train.train_step` itself on full-length crops, so that no padding is saved.
Both take their steps in turns, after one step each that is not counted. `--precision` chooses
ours; several are measured in the same turns. On a CPU the seconds are of processor time, summed
over threads. Batch 32 on a CPU needs more than 24 GB of memory for either.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from accelerate import Accelerator  # noqa: E402
from accelerate.state import AcceleratorState  # noqa: E402
from published_loop import CLIP_CONTEXT, PATHS, PublishedNetwork, TextTower  # noqa: E402
from synthetic_motion import random_motions  # noqa: E402

from models.data.training_data import build_bank  # noqa: E402
from models.diffusion import STEPS, ForwardProcess  # noqa: E402
from models.train.compiled_layers import compile_layers  # noqa: E402
from models.train.run_state import start_run  # noqa: E402
from models.train.step_clock import StepClock  # noqa: E402
from models.train.train_config import PRESETS, TrainConfig  # noqa: E402
from models.train.train_step import Fixed, train_step  # noqa: E402
from pipeline.normalisation import Statistics  # noqa: E402
from pipeline.skeletons import HUMANML3D  # noqa: E402

MOTIONS = 8
"""Different motions to draw from; a step's cost does not depend on it."""
Seconds = dict[str, float]
Step = Callable[[StepClock], None]


class CpuClock(StepClock):
    """Seconds of work of this process: what else the machine does at the time does not count."""

    def _now(self) -> float:
        return time.process_time()


def paper_config(batch: int, precision: str, *, compiled: bool) -> TrainConfig:
    """The preset `paper` with this batch and precision."""
    return dataclasses.replace(
        PRESETS["paper"], batch_size=batch, precision=precision, compile=compiled
    )


def our_step(config: TrainConfig, device: torch.device) -> Step:
    """`train_step` on synthetic motions of full length with cached text embeddings."""
    AcceleratorState._reset_state(reset_partial_state=True)  # one precision after the other
    accelerator = Accelerator(mixed_precision=config.precision, cpu=device.type == "cpu")
    longest = config.network.max_frames
    motions = random_motions([longest + 2 * 4] * MOTIONS, config.network.text_dim)
    widths = (HUMANML3D.dim3, HUMANML3D.dim2)
    d3, d2 = ((np.zeros(n, np.float32), np.ones(n, np.float32)) for n in widths)
    run = start_run(config, Statistics(*d3, *d2), device, HUMANML3D)
    bank = build_bank(motions, config.network.text_dim).to(device)
    fixed = Fixed.create(run, bank, device)
    model, run.optimizer = accelerator.prepare(run.network, run.optimizer)
    if config.compile:
        compile_layers(run.network)
    run.network.train()

    def step(clock: StepClock) -> None:
        train_step(run, model, bank, accelerator, fixed, clock)
        run.step += 1

    return step


def baseline_step(config: TrainConfig, device: torch.device) -> Step:
    """The published loop on ready-made features."""
    torch.manual_seed(0)
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
        outputs = [(d, network(noised[s], s, d, t, embedded * keep)) for s, d in PATHS]
        loss = torch.stack([((out - clean[d]) ** 2).mean() for d, out in outputs]).sum()
        clock.lap("forward")
        optimizer.zero_grad()
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


def report(result: dict[str, Seconds], baseline: str) -> list[str]:
    """A table: milliseconds of every stage, and how many times faster than the baseline."""
    stages = ("data", "text", "forward", "backward", "optimizer", "step")
    lines = [f"{'ms, median':18}" + "".join(f"{s:>11}" for s in stages) + f"{'faster':>9}"]
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
    given = parser.parse_args()
    precisions = given.precision or (["no"] if given.device == "cpu" else ["no", "bf16"])
    device, named = torch.device(given.device), {"no": "float32", "bf16": "bf16"}
    paper = paper_config(given.batch, "no", compiled=False)
    contestants = {"published loop": baseline_step(paper, device)}
    for compiled in (False, True) if given.compile else (False,):
        for precision in precisions:
            config = paper_config(given.batch, precision, compiled=compiled)
            name = f"ours, {named[precision]}" + (", compiled" if compiled else "")
            contestants[name] = our_step(config, device)
    result = {
        name: summary(rounds) for name, rounds in in_turns(contestants, given.steps, device).items()
    }
    where = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    about = {
        "device": where,
        "threads": torch.get_num_threads(),
        "batch": given.batch,
        "steps": given.steps,
        "torch": torch.__version__,
    }
    if given.json:
        print(json.dumps({**about, "seconds": result}))
        return
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print("\n".join(report(result, "published loop")))


if __name__ == "__main__":
    main()
