"""`crossdiff benchmark synthetic`: ways to label rendered clips, against their known 3D."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.evaluation_page.model import Page
from flows.evaluation_page.synthetic_section import synthetic_lines, synthetic_sections
from flows.progress import progress
from flows.publish import Evaluated, run_published, written_lines
from models.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from models.evaluation.synthetic import OWN_3D, SyntheticPlan, evaluate_synthetic
from models.evaluation.synthetic_report import SyntheticReport
from models.evaluation.synthetic_truth import TruthClip, at_even_distances, find_truth_clips
from models.evaluation.synthetic_variants import DEFAULT, variants_of
from pipeline.pose import MMPoseSettings, make_estimator
from pipeline.pose.protocol import PoseEstimator
from pipeline.stopwatch import Stopwatch

KIND = "synthetic"
SEEN_FOLDER = "seen"


@dataclass(frozen=True)
class SyntheticQuestion:
    """What to compare, and where to write it; see `crossdiff benchmark synthetic --help`."""

    clips: Path
    out: Path | None = None
    checkpoint: Path | None = None
    variants: tuple[str, ...] = ()
    backends: tuple[str, ...] = ("packaged",)
    limit: int | None = None
    mmpose: MMPoseSettings = field(default_factory=MMPoseSettings)
    """Of the backend `mmpose`, when it is asked for."""


@dataclass(frozen=True)
class _Prepared:
    clips: Sequence[TruthClip] = field(repr=False)
    checkpoint: Checkpoint
    plan: SyntheticPlan
    estimators: dict[str, str]
    """What looked, by backend and whom it followed: filled while it works."""


def run_synthetic(asked: SyntheticQuestion) -> tuple[dict[str, Any], list[str]]:
    """Errors of every way to label; with `out` also `report.html` and `metrics.json`.

    Raises:
        ValueError: No clip with its truth, no such variant, or `out` cannot be written.
        PoseSetupError: A backend cannot be built.
        CheckpointError: The checkpoint cannot be used.
    """
    prepared = _prepare(asked)
    if asked.out is None:
        report = _measure(asked, prepared)
        return _told(prepared, report), synthetic_lines(report)
    reports: list[SyntheticReport] = []

    def measure() -> Evaluated:
        watch = Stopwatch()
        reports.append(_measure(asked, prepared))
        return _evaluated(asked, prepared, reports[-1], watch)

    _, published = run_published(KIND, f"rendered clips of {asked.clips}", measure, asked.out)
    lines = [*synthetic_lines(reports[-1]), "", *written_lines(published)]
    return {**_told(prepared, reports[-1]), **published, "out": str(asked.out)}, lines


def _prepare(asked: SyntheticQuestion) -> _Prepared:
    variants = variants_of(asked.variants or DEFAULT)
    clips = at_even_distances(find_truth_clips(asked.clips), asked.limit)
    checkpoint = load_checkpoint(asked.checkpoint or SHIPPED)
    kept = None if asked.out is None else _made(asked.out / SEEN_FOLDER)
    plan = SyntheticPlan(asked.backends, variants, kept)
    return _Prepared(clips, checkpoint, plan, {})


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"cannot write to {folder}: {error.strerror or error}") from error
    return folder


def _measure(asked: SyntheticQuestion, prepared: _Prepared) -> SyntheticReport:
    def make(backend: str, people: str) -> PoseEstimator:
        estimator = make_estimator(backend, people=people, mmpose=asked.mmpose)
        prepared.estimators[f"{backend}, {people}"] = estimator.estimator_id
        return estimator

    return evaluate_synthetic(prepared.clips, prepared.checkpoint, prepared.plan, make, _shown)


def _shown(clips: Iterable[TruthClip], what: str) -> Iterable[TruthClip]:
    return progress(clips, what, "clip")


def _told(prepared: _Prepared, report: SyntheticReport) -> dict[str, Any]:
    """For `--json`."""
    return {
        "checkpoint_id": prepared.checkpoint.checkpoint_id,
        "estimators": prepared.estimators,
        **report.to_json(),
        "gains": report.gains,
        "body_gains": report.body_gains,
    }


def _evaluated(
    asked: SyntheticQuestion, prepared: _Prepared, report: SyntheticReport, watch: Stopwatch
) -> Evaluated:
    page = Page(
        title=f"From pixels: {prepared.checkpoint.checkpoint_id}",
        facts=_facts(asked, prepared),
        warnings=report.warnings,
        sections=synthetic_sections(report),
    )
    return Evaluated(
        kind=KIND,
        page=page,
        metrics={
            **report.to_json(),
            "gains": report.gains,
            "body_gains": report.body_gains,
        },
        lineage={"data": str(asked.clips), "store": None, "what": "a folder of clips"},
        checkpoint_ids=(prepared.checkpoint.checkpoint_id,),
        config={
            "variants": {name: each.settings() for name, each in prepared.plan.variants.items()},
            "backends": list(asked.backends),
            "limit": asked.limit,
            "clips": [clip.name for clip in prepared.clips],
        },
        seconds=watch.seconds,
    )


def _facts(asked: SyntheticQuestion, prepared: _Prepared) -> tuple[tuple[str, str], ...]:
    return (
        ("clips", f"{len(prepared.clips)} of {asked.clips}"),
        ("checkpoint", prepared.checkpoint.checkpoint_id),
        *((f"2D, {name}", found) for name, found in prepared.estimators.items()),
        ("intervals", "95 %: Student's t over clips"),
        (OWN_3D, "MediaPipe's world landmarks, put upright by the known camera"),
        ("heading", "each motion is turned about the vertical once, by the best angle"),
    )
