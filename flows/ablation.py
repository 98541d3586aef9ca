"""`crossdiff evaluate ablation`: the paper's ablation rows, trained and scored alike."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flows.ablation_runs import (
    Training,
    begin,
    begun,
    check_rows,
    code_of,
    settings_of,
    settled,
    train_all,
)
from flows.ablation_scores import Scored, Scoring, score_all
from flows.engines import device_named
from flows.evaluation_page.ablation_section import TrainedHow, ablation_page
from flows.evaluation_page.text_section import Told
from flows.one_at_a_time import one_at_a_time
from flows.publish import Evaluated, run_published
from flows.training_sets import TrainingSet, open_training_set
from models.evaluation.ablation import AblationReport
from models.evaluation.ablation_lift import measurable
from models.evaluation.ablation_rows import ROWS, RowKey, paper_order, seed_numbers
from models.evaluation.contestants import texts_for_evaluator
from models.evaluation.items import choose_items
from models.evaluation.plan import EvaluationPlan
from models.matching.evaluator import SHIPPED_EVALUATORS, load_evaluators
from models.train.train_config import PRESETS
from pipeline.stopwatch import Stopwatch
from storage.lineage import code_commit, code_version
from storage.location import without_version

KIND = "ablation"
TEST = "test"
SPLITS = ("train", "val", TEST)


@dataclass(frozen=True)
class AblationOptions:
    """What `crossdiff evaluate ablation` is asked to do."""

    data: str
    out: Path
    plan: EvaluationPlan
    preset: str = "tiny"
    steps: int | None = None
    batch_size: int | None = None
    seeds: int = 3
    rows: tuple[RowKey, ...] = tuple(ROWS)
    stage_2: bool = True
    datasets: tuple[str, ...] = ()
    evaluators: Path | None = None
    """None: those that come with the package."""
    device: str = "auto"


def run_ablation(options: AblationOptions) -> tuple[AblationReport, dict[str, Any]]:
    """Train and score every row with every seed, and publish the table.

    The same command again goes on where a killed one was; more rows and more seeds may be asked
    for later.

    Returns:
        The report, and what `flows.publish.publish` says.

    Raises:
        ValueError: A wrong option, parts that do not fit together, or a folder with an ablation
            of other settings.
        StoreError: The data cannot be read.
        OSError: The output folder cannot be written.
    """
    seeds, rows = seed_numbers(options.seeds), paper_order(options.rows)
    scoring = _scoring(options)
    training = _training(options, scoring.opened)
    check_rows(training, rows)
    reports: list[AblationReport] = []

    def measure() -> Evaluated:
        watch = Stopwatch()
        seconds = train_all(training, rows, seeds)
        scored = score_all(training, seconds, scoring)
        reports.append(scored.report)
        code = code_of(training, seconds)
        return _evaluated(options, training, scoring, scored, code, watch.seconds)

    with one_at_a_time(options.out, "an ablation"):
        lineage = scoring.opened.lineage
        begin(options.out, settings_of(training, lineage, without_version(options.data)))
        _, published = run_published(KIND, KIND, measure, options.out)
    return reports[0], published


def _pinned(options: AblationOptions) -> tuple[str, tuple[str, ...]]:
    """Data and data sets: of the version with which the ablation in the folder was begun."""
    there = begun(options.out)
    same = there.get("data") == options.data  # without a version of its own
    if not same or there.get("version") is None:
        return options.data, options.datasets
    return f"{options.data}@{there['version']}", options.datasets or tuple(there["datasets"])


def _scoring(options: AblationOptions) -> Scoring:
    """Open everything, and find out what does not fit before hours of training."""
    device = device_named(options.device)
    url, datasets = _pinned(options)
    opened = open_training_set(url, SPLITS, datasets)
    _refuse(options, opened)
    evaluators = load_evaluators(options.evaluators or SHIPPED_EVALUATORS, device)
    items = choose_items(
        opened.motions[TEST],
        opened.skeleton,
        options.plan,
        longest=PRESETS[options.preset].network.max_frames,
        split=TEST,
    )
    texts = texts_for_evaluator(items, evaluators["all"], opened.text_encoder)
    return Scoring(opened, items, texts, evaluators, options.plan, device)


def _refuse(options: AblationOptions, opened: TrainingSet) -> None:
    """What training or scoring would stumble over later.

    Raises:
        ValueError: It is there.
    """
    for split in SPLITS:
        if not opened.motions[split]:
            raise ValueError(f"{options.data} has no motion in its {split} split")
    opened.refuse_unknown_joints()
    if not opened.text_encoder:
        raise ValueError(
            f"the captions of {options.data} are not embedded: prepare it with a text encoder"
        )
    if not measurable(opened.motions[TEST]):
        raise ValueError(f"{options.data} has only mirrored motions in its {TEST} split")


def _training(options: AblationOptions, opened: TrainingSet) -> Training:
    if _on_cpu(options):
        os.environ["ACCELERATE_USE_CPU"] = "true"  # what trains finds its device by itself
    version, plain = opened.lineage["version"], without_version(options.data)
    steps, batch_size = settled(options.preset, options.steps, options.batch_size)
    return Training(
        out=options.out,
        url=plain if version is None else f"{plain}@{version}",
        datasets=tuple(opened.lineage["datasets"]),
        preset=options.preset,
        steps=steps,
        batch_size=batch_size,
        stage_2=options.stage_2,
    )


def _on_cpu(options: AblationOptions) -> bool:
    return device_named(options.device).type == "cpu"


def _evaluated(
    options: AblationOptions,
    training: Training,
    scoring: Scoring,
    scored: Scored,
    code: tuple[str, ...],
    seconds: float,
) -> Evaluated:
    lineage, text = scoring.opened.lineage, scored.text
    told = Told(
        data=str(lineage["data"]),
        table_version=lineage.get("table_version"),
        datasets=tuple(lineage["datasets"]),
        split=TEST,
        device=scoring.device.type,
        bf16=False,
        quick=False,
        code=code_commit() or "",
        code_version=code_version(),
    )
    how = TrainedHow(
        training.preset,
        training.steps,
        training.batch_size,
        stage_2=training.stage_2,
        code=code,
    )
    return Evaluated(
        kind=KIND,
        page=ablation_page(scored.report, text, how, told, scoring.opened.skeleton.fps),
        metrics={**scored.report.to_json(), "text_to_motion": text.to_json()},
        lineage=lineage,
        checkpoint_ids=tuple(row.checkpoint_id for row in text.rows[1:]),
        config={
            "training": begun(options.out),
            "evaluation": asdict(options.plan),
            "rows": list(options.rows),
            "seeds": options.seeds,
            "trained_by_code": list(code),
            "evaluators": dict(text.evaluator_ids),
            "device": told.device,
        },
        seconds=seconds,
    )
