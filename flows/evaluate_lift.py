"""`crossdiff evaluate lift`: the lift's error beside its baselines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.progress import progress
from flows.training_sets import open_training_set
from models.checkpoint import SHIPPED, load_checkpoint
from models.data.motion import Motion
from models.lifting.evaluate_lift import LiftPlan, azimuth_sweep, evaluate_lift
from models.lifting.lift_report import LiftReport
from models.lifting.lift_tables import report_markdown, report_text
from models.lifting.noisy_view import NoiseLevel
from pipeline.view_cleaning import clean_view

TRAIN = "train"


@dataclass(frozen=True)
class LiftQuestion:
    """What to measure, and where to write it; see `crossdiff evaluate lift --help`."""

    data: str
    checkpoint: Path | None = None
    split: str = "test"
    datasets: tuple[str, ...] = ()
    noise: bool = False
    azimuths: float | None = None
    by_action: bool = False
    by_joint: bool = False
    seed: int = 1
    out: Path | None = None


def run_lift_evaluation(asked: LiftQuestion) -> tuple[dict[str, Any], list[str]]:
    """Errors on a split of unmirrored motions; baselines are fitted on the training split.

    Raises:
        ValueError: The split is empty, or data and checkpoint are of different skeletons.
        CheckpointError: The checkpoint cannot be used.
    """
    checkpoint = load_checkpoint(asked.checkpoint or SHIPPED)
    splits = tuple(dict.fromkeys((TRAIN, asked.split)))
    opened = open_training_set(asked.data, splits, asked.datasets)
    if opened.skeleton != checkpoint.skeleton:
        raise ValueError(
            f"{asked.data} holds {opened.skeleton.name} motions, but the checkpoint lifts "
            f"{checkpoint.skeleton.name}: choose a checkpoint of that skeleton"
        )
    measured = _known(opened.motions[asked.split])
    plan = LiftPlan(
        sweep=() if asked.azimuths is None else azimuth_sweep(asked.azimuths),
        noise=NoiseLevel(seed=asked.seed) if asked.noise else None,
        clean=clean_view,
    )
    motions = [m for m in measured if not m.mirrored]
    if not motions:
        raise ValueError(
            f"{asked.data} has no motion with known 3D in the split {asked.split}: choose another "
            "with --split train, val or test"
        )
    train = _known(opened.motions[TRAIN])
    report = evaluate_lift(checkpoint, motions, train, plan, _shown)
    result = {"checkpoint_id": checkpoint.checkpoint_id, "split": asked.split, **report.to_json()}
    lines = report_text(report, by_action=asked.by_action, by_joint=asked.by_joint)
    if asked.out is not None:
        _write(asked.out, report, _about(asked, checkpoint.checkpoint_id, len(train)))
        result["out"] = str(asked.out)
        lines += ["", f"written to {asked.out}"]
    return result, lines


def _known(motions: Sequence[Motion]) -> list[Motion]:
    """Motions whose 3D was measured: a video's pseudo label is no truth."""
    return [m for m in motions if m.has_3d and m.view is None]


def _shown(motions: Iterable[Motion], what: str) -> Iterable[Motion]:
    return progress(motions, what, "motion")


def _about(asked: LiftQuestion, checkpoint_id: str, train: int) -> list[str]:
    noise = NoiseLevel(seed=asked.seed)
    lines = [
        f"checkpoint {checkpoint_id}, split {asked.split}, unmirrored motions",
        f"baselines fitted on {train} motions of the split {TRAIN}, mirrored ones included",
    ]
    if asked.noise:
        lines.append(
            f"noise: Gaussian of {noise.jitter:.0%} of body height on every joint in every frame, "
            f"{noise.missing:.0%} of joints missing, seed {noise.seed}; baselines fitted on "
            "equally noisy views; noise_cleaned: after ingestion's gap filling and smoothing"
        )
    return lines


def _write(out: Path, report: LiftReport, about: list[str]) -> None:
    """The tables as Markdown; the file appears whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    partial.write_text(report_markdown(report, about), encoding="utf-8")
    partial.replace(out)
