"""`crossdiff evaluate wild`: labels of motions from video, held against what was seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flows.evaluation_page.model import Page
from flows.evaluation_page.wild_section import wild_lines, wild_sections
from flows.progress import progress
from flows.publish import Evaluated, run_published, written_lines
from flows.training_sets import TrainingSet, open_training_set
from models.checkpoint import Checkpoint, load_checkpoint
from models.data.motion import Motion
from models.data.motion_tables import motions_of
from models.evaluation.contestants import checkpoint_labels
from models.evaluation.wild import STORED, Label, evaluate_wild, lift_anew, stored_label
from models.evaluation.wild_examples import wild_examples
from models.evaluation.wild_report import WildReport
from models.lifting.label_wish import beyond_the_lift
from pipeline.body_scale import BODY_HEIGHT_M
from pipeline.person_frames import SeenVideo
from pipeline.stopwatch import Stopwatch
from storage.seen_videos import pseudo_datasets, seen_videos
from storage.store import open_store

KIND = "wild"
EXAMPLES = 5
EVERY_SPLIT = "all"


@dataclass(frozen=True)
class WildQuestion:
    """What to look at, and where to write it; see `crossdiff evaluate wild --help`."""

    data: str
    checkpoints: tuple[Path, ...] = ()
    split: str | None = None
    """None: every split."""
    datasets: tuple[str, ...] = ()
    out: Path | None = None


@dataclass(frozen=True)
class _Prepared:
    """Everything that is needed to measure, opened and found to fit together."""

    opened: TrainingSet
    motions: Sequence[Motion] = field(repr=False)
    videos: Sequence[SeenVideo] = field(repr=False)
    confidence: Mapping[str, float] = field(repr=False)
    checkpoints: tuple[Checkpoint, ...]
    makers: Mapping[str, Label]


def run_wild_evaluation(asked: WildQuestion) -> tuple[dict[str, Any], list[str]]:
    """Figures of the stored labels, and of the checkpoints' labels of the same stored views.

    With `out` also `report.html`, `metrics.json` and a row in `runs`.

    Raises:
        ValueError: No motion from video, a checkpoint of another skeleton, a broken motion, or
            `out` cannot be written.
        StoreError: The store cannot be read.
        CheckpointError: A checkpoint cannot be used.
    """
    prepared = _prepare(asked)
    if asked.out is None:
        report = _measure(prepared)
        return _told(prepared, report), wild_lines(report)
    reports: list[WildReport] = []

    def measure() -> Evaluated:
        watch = Stopwatch()
        reports.append(_measure(prepared))
        return _evaluated(asked, prepared, reports[-1], watch)

    _, published = run_published(
        KIND, f"in the wild: {', '.join(prepared.makers)}", measure, asked.out
    )
    lines = [*wild_lines(reports[-1]), "", *written_lines(published)]
    return {**_told(prepared, reports[-1]), **published, "out": str(asked.out)}, lines


def _prepare(asked: WildQuestion) -> _Prepared:
    store = open_store(asked.data)
    from_video = pseudo_datasets(store)
    if not from_video:
        raise ValueError(
            f"{asked.data} has no motion from video: fill a store with `crossdiff ingest`"
        )
    opened = open_training_set(asked.data, (), asked.datasets or from_video)
    splits = None if asked.split is None else (asked.split,)
    motions = [m for m in motions_of(opened.tables, splits) if m.view is not None]
    if not motions:
        where = ", ".join(opened.lineage["datasets"])
        raise ValueError(
            f"{asked.data} has no motion from video in split {asked.split or EVERY_SPLIT} of "
            f"{where}: choose another with --split or --datasets (from video: "
            f"{', '.join(from_video)})"
        )
    seen = seen_videos(store, opened.lineage["datasets"])
    checkpoints = tuple(_fitting(folder, opened, asked.data) for folder in asked.checkpoints)
    return _Prepared(
        opened, motions, seen.videos, seen.confidence, checkpoints, _makers(asked, checkpoints)
    )


def _fitting(folder: Path, opened: TrainingSet, data: str) -> Checkpoint:
    checkpoint = load_checkpoint(folder)
    if checkpoint.skeleton != opened.skeleton:
        raise ValueError(
            f"{data} holds {opened.skeleton.name} motions, but the checkpoint {folder} lifts "
            f"{checkpoint.skeleton.name}: choose a checkpoint of that skeleton"
        )
    return checkpoint


def _makers(asked: WildQuestion, checkpoints: Sequence[Checkpoint]) -> dict[str, Label]:
    names = checkpoint_labels(asked.checkpoints)
    lifted = {
        name: lift_anew(checkpoint) for name, checkpoint in zip(names, checkpoints, strict=True)
    }
    return {STORED: stored_label, **lifted}


def _measure(prepared: _Prepared) -> WildReport:
    report = evaluate_wild(
        prepared.motions,
        prepared.videos,
        prepared.confidence,
        prepared.makers,
        prepared.opened.skeleton,
        _shown,
    )
    return replace(report, warnings=(*_other_ways(prepared), *report.warnings))


def _other_ways(prepared: _Prepared) -> tuple[str, ...]:
    """A sentence on each data set whose stored labels are more than the plain lift."""
    if not prepared.checkpoints:
        return ()
    recipes = prepared.opened.lineage["recipes"]
    ways = {name: beyond_the_lift(r.get("config", {})) for name, r in recipes.items()}
    return tuple(
        f"the stored labels of {name} are more than a lift ({', '.join(way)}), those of the "
        "checkpoints are lifts alone: compare checkpoints with each other, with stored labels not"
        for name, way in ways.items()
        if way
    )


def _told(prepared: _Prepared, report: WildReport) -> dict[str, Any]:
    """For `--json`."""
    ids = [checkpoint.checkpoint_id for checkpoint in prepared.checkpoints]
    return {"checkpoint_ids": ids, **report.to_json(), "warnings": list(report.warnings)}


def _shown(motions: Iterable[Motion], what: str) -> Iterable[Motion]:
    return progress(motions, what, "motion")


def _evaluated(
    asked: WildQuestion, prepared: _Prepared, report: WildReport, watch: Stopwatch
) -> Evaluated:
    examples = wild_examples(prepared.motions, report, prepared.makers, EXAMPLES)
    page = Page(
        title=f"In the wild: {', '.join(prepared.makers)}",
        facts=_facts(asked, prepared),
        warnings=report.warnings,
        sections=wild_sections(report, examples, prepared.opened.skeleton.fps),
    )
    return Evaluated(
        kind=KIND,
        page=page,
        metrics=report.to_json(),
        lineage=prepared.opened.lineage,
        checkpoint_ids=tuple(c.checkpoint_id for c in prepared.checkpoints),
        config={"split": asked.split or EVERY_SPLIT, "datasets": list(asked.datasets)},
        seconds=watch.seconds,
    )


def _named(prepared: _Prepared) -> str:
    """Which name in the tables is which checkpoint."""
    names = [name for name in prepared.makers if name != STORED]
    pairs = zip(names, prepared.checkpoints, strict=True)
    return "; ".join(f"{name}: {each.checkpoint_id}" for name, each in pairs) or "none"


def _facts(asked: WildQuestion, prepared: _Prepared) -> tuple[tuple[str, str], ...]:
    lineage = prepared.opened.lineage
    recipes = lineage["recipes"]
    estimators = sorted({str(recipe["estimator_id"]) for recipe in recipes.values()})
    labellers = sorted({str(recipe["checkpoint_id"]) for recipe in recipes.values()})
    return (
        ("data", asked.data),
        ("data sets", ", ".join(lineage["datasets"])),
        ("table version", str(lineage["table_version"])),
        ("split", f"{asked.split or EVERY_SPLIT}; coverage counts the files of every split"),
        ("motions", str(len(prepared.motions))),
        ("intervals", "95 %: Student's t over videos, each with the mean of its motions"),
        ("2D estimator", ", ".join(estimators)),
        ("stored labels by", ", ".join(labellers)),
        ("checkpoints", _named(prepared)),
        (
            "frames",
            "all but the last of each motion: a lift of the stored view gives one frame fewer",
        ),
        ("body height", f"{BODY_HEIGHT_M} m: the 2D is scaled to the canonical body"),
    )
