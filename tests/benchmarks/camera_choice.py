"""The paper's four cameras against any camera: the same small lift, trained twice on a CPU.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.camera_choice SET.parquet OUT [--steps 2500]

SET is what `crossdiff prepare snapshot` writes. Seed, motions, steps and network are the same; only
the cameras differ. Only the lift is trained (2D to 3D at t = 0, no text, clean 2D), from scratch,
so that a few minutes of one core say something. Measure both with
`crossdiff evaluate lift --data STORE --checkpoint OUT/four/best --azimuths 15`.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from models.batches.augment import CameraAugmentation
from models.checkpoint import save_checkpoint
from models.network import CrossDiff
from models.train.losses import path_losses
from models.train.recipe import ENCODER_ID, Sets, load_sets
from models.train.run_state import Run, start_run
from models.train.step_data import Fixed, draw_batch
from models.train.train_config import PRESETS, TrainConfig
from models.train.train_step import learning_rate, noised_inputs, step_generator, update_average
from pipeline.skeletons import HUMANML3D

CAMERAS = {
    "four": CameraAugmentation(),
    "any": CameraAugmentation(continuous=1.0, elevation_deg=12.0),
}
BATCH, WINDOW = 32, 64
REPORT_EVERY = 100


def configuration(camera: CameraAugmentation, steps: int, seed: int) -> TrainConfig:
    """The preset `tiny` as a lift alone."""
    return replace(
        PRESETS["tiny"],
        camera=camera,
        steps=steps,
        seed=seed,
        batch_size=BATCH,
        windows=(WINDOW,),
        zero_step_share=1.0,
        zero_step_text_drop=1.0,
    )


def train(config: TrainConfig, sets: Sets) -> Run:
    """The run at its end."""
    run = start_run(config, sets.statistics, torch.device("cpu"), HUMANML3D)
    fixed = Fixed.create(run, sets.train, torch.device("cpu"))
    total = 0.0
    for step in range(config.steps):
        total += _step(run, sets, fixed)
        if (step + 1) % REPORT_EVERY == 0:
            print(f"step {step + 1} loss {total / REPORT_EVERY:.4f}", flush=True)
            total = 0.0
    return run


def _step(run: Run, sets: Sets, fixed: Fixed) -> float:
    config, g = run.config, step_generator(run.config, run.step)
    batch = draw_batch(run, sets.train, fixed, WINDOW, g)
    inputs = noised_inputs(batch, fixed.stats, fixed.process, config, g)
    lifted = run.network.path(inputs["x2_t"], "2d", "3d", inputs["t"], inputs["text"])
    targets = (inputs["x3"], inputs["x2"], inputs["valid"])
    loss = path_losses({"2d->3d": lifted}, *targets, fixed.weight3)["2d->3d"]
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.network.parameters(), config.gradient_clip)
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(config, run.step)
    run.optimizer.step()
    run.optimizer.zero_grad()
    run.step += 1
    update_average(run)
    return float(loss.detach())


def cut_to_window(network: CrossDiff) -> CrossDiff:
    """The same network for the crops that it was trained on: its queries beyond were never used.

    Longer clips are then lifted in windows of that length.
    """
    out = CrossDiff(replace(network.config, max_frames=WINDOW))
    weights = network.state_dict()
    for name in ("motion_token", "joint_token"):
        weights[name] = weights[name][:WINDOW]
    out.load_state_dict(weights)
    return out


def main() -> None:
    """Train both and save both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sets = load_sets(given.data)
    for name, camera in CAMERAS.items():
        config = configuration(camera, given.steps, given.seed)
        run = train(config, sets)
        about = {"text_encoder": ENCODER_ID, "data": sets.facts, "train": config.to_json()}
        save_checkpoint(
            given.out / name / "best",
            cut_to_window(run.averaged).eval(),
            run.statistics,
            run.skeleton,
            masks_padding=config.masks_padding,
            about={**about, "step": run.step},
            dtype=torch.bfloat16,
        )


if __name__ == "__main__":
    main()
