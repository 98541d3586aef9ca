"""`crossdiff evaluate lift`: the lift's error beside its baselines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.evaluation_page.lift_section import known_facts, lift_sections
from flows.evaluation_page.model import Page
from flows.progress import progress
from flows.publish import Evaluated, run_published, written_lines
from flows.training_sets import TrainingSet, open_training_set
from models.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from models.data.motion import Motion
from models.lifting.evaluate_lift import LiftPlan, azimuth_sweep, evaluate_lift
from models.lifting.hidden_parts import Occlusion
from models.lifting.lift_examples import lift_examples
from models.lifting.lift_report import LiftReport, limits_told
from models.lifting.lift_tables import report_markdown, report_text
from models.lifting.noisy_view import NoiseLevel
from pipeline.render.out_files import replaced_when_done
from pipeline.stopwatch import Stopwatch
from pipeline.view_cleaning import clean_view

KIND = "lift"
TRAIN = "train"
TABLES_NAME = "tables.md"
EXAMPLES = 5


@dataclass(frozen=True)
class LiftQuestion:
    """What to measure, and where to write it; see `crossdiff evaluate lift --help`."""

    data: str
    checkpoint: Path | None = None
    split: str = "test"
    datasets: tuple[str, ...] = ()
    noise: bool = False
    masked: bool = False
    azimuths: float | None = None
    by_action: bool = False
    by_joint: bool = False
    seed: int = 1
    out: Path | None = None


@dataclass(frozen=True)
class _Prepared:
    """Everything that is needed to measure, opened and found to fit together."""

    checkpoint: Checkpoint
    opened: TrainingSet
    plan: LiftPlan
    motions: list[Motion] = field(repr=False)
    train: list[Motion] = field(repr=False)


def run_lift_evaluation(asked: LiftQuestion) -> tuple[dict[str, Any], list[str]]:
    """Errors on a split of unmirrored motions; baselines are fitted on the training split.

    With `out` also `report.html`, `metrics.json`, `tables.md` and a row in `runs`.

    Raises:
        ValueError: The split is empty, data and checkpoint are of different skeletons, a motion is
            broken, or `out` cannot be written.
        CheckpointError: The checkpoint cannot be used.
    """
    prepared = _prepare(asked)
    if asked.out is None:
        report = _measure(prepared)
        return _told(asked, prepared, report), _lines(asked, report)
    out, reports = asked.out, list[LiftReport]()

    def measure() -> Evaluated:
        watch = Stopwatch()
        reports.append(_measure(prepared))
        _write_tables(out, reports[-1], _facts(asked, prepared, reports[-1]))
        return _evaluated(asked, prepared, reports[-1], watch)

    _, published = run_published(KIND, f"lift of {prepared.checkpoint.checkpoint_id}", measure, out)
    lines = [*_lines(asked, reports[-1]), "", *written_lines(published)]
    told = _told(asked, prepared, reports[-1])
    return {**told, **published, "tables": str(out / TABLES_NAME), "out": str(out)}, lines


def _prepare(asked: LiftQuestion) -> _Prepared:
    checkpoint = load_checkpoint(asked.checkpoint or SHIPPED)
    splits = tuple(dict.fromkeys((TRAIN, asked.split)))
    opened = open_training_set(asked.data, splits, asked.datasets)
    if opened.skeleton != checkpoint.skeleton:
        raise ValueError(
            f"{asked.data} holds {opened.skeleton.name} motions, but the checkpoint lifts "
            f"{checkpoint.skeleton.name}: choose a checkpoint of that skeleton"
        )
    plan = LiftPlan(
        sweep=() if asked.azimuths is None else azimuth_sweep(asked.azimuths),
        noise=NoiseLevel(seed=asked.seed) if asked.noise else None,
        clean=clean_view,
        occlusion=Occlusion(seed=asked.seed) if asked.masked else None,
    )
    motions = [m for m in _known(opened.motions[asked.split]) if not m.mirrored]
    if not motions:
        raise ValueError(
            f"{asked.data} has no motion with known 3D in the split {asked.split}: choose another "
            "with --split train, val or test"
        )
    return _Prepared(checkpoint, opened, plan, motions, _known(opened.motions[TRAIN]))


def _known(motions: Sequence[Motion]) -> list[Motion]:
    """Motions whose 3D was measured: a video's pseudo label is no truth."""
    return [m for m in motions if m.has_3d and m.view is None]


def _measure(prepared: _Prepared) -> LiftReport:
    return evaluate_lift(
        prepared.checkpoint, prepared.motions, prepared.train, prepared.plan, _shown
    )


def _shown(motions: Iterable[Motion], what: str) -> Iterable[Motion]:
    return progress(motions, what, "motion")


def _told(asked: LiftQuestion, prepared: _Prepared, report: LiftReport) -> dict[str, Any]:
    """For `--json`."""
    about = {"checkpoint_id": prepared.checkpoint.checkpoint_id, "split": asked.split}
    return {**about, **report.to_json(), "warnings": list(_limits(asked, report))}


def _lines(asked: LiftQuestion, report: LiftReport) -> list[str]:
    lines = report_text(report, by_action=asked.by_action, by_joint=asked.by_joint)
    return [*lines, *(f"note: {warning}" for warning in _limits(asked, report))]


def _limits(asked: LiftQuestion, report: LiftReport) -> tuple[str, ...]:
    return limits_told(report, on_training=asked.split == TRAIN)


def _facts(
    asked: LiftQuestion, prepared: _Prepared, report: LiftReport
) -> tuple[tuple[str, str], ...]:
    lineage = prepared.opened.lineage
    version = lineage.get("table_version")
    return (
        ("checkpoint", prepared.checkpoint.checkpoint_id),
        ("data", asked.data),
        ("data sets", ", ".join(lineage["datasets"]) or "all in the file"),
        ("table version", "none: a plain file" if version is None else str(version)),
        ("split", asked.split),
        *known_facts(report),
        (
            "baselines",
            f"fitted on {len(prepared.train)} motions of the split {TRAIN}, mirrored ones "
            "included, in the same views and the same state of the 2D",
        ),
    )


def _evaluated(
    asked: LiftQuestion, prepared: _Prepared, report: LiftReport, watch: Stopwatch
) -> Evaluated:
    checkpoint, skeleton = prepared.checkpoint, prepared.opened.skeleton
    examples = lift_examples(checkpoint, prepared.motions, report, prepared.plan, EXAMPLES)
    page = Page(
        title=f"2D to 3D: {checkpoint.checkpoint_id}",
        facts=_facts(asked, prepared, report),
        warnings=_limits(asked, report),
        sections=lift_sections(report, examples, skeleton.fps),
    )
    return Evaluated(
        kind=KIND,
        page=page,
        metrics=report.to_json(),
        lineage=prepared.opened.lineage,
        checkpoint_ids=(checkpoint.checkpoint_id,),
        config={
            "split": asked.split,
            "datasets": list(asked.datasets),
            "noise": asked.noise,
            "masked": asked.masked,
            "azimuths": asked.azimuths,
            "seed": asked.seed,
        },
        seconds=watch.seconds,
    )


def _write_tables(out: Path, report: LiftReport, facts: Sequence[tuple[str, str]]) -> None:
    """The tables as Markdown, for a model card; the file appears whole or not at all."""
    about = [f"{name}: {value}" for name, value in facts]
    with replaced_when_done(out / TABLES_NAME, ".md") as unfinished:
        unfinished.write_text(report_markdown(report, about), encoding="utf-8")
