"""`crossdiff evaluate`: checkpoints' text to motion, scored beside the ground truth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flows.engines import device_named
from flows.evaluation_page.text_section import Told, text_page
from flows.one_at_a_time import one_at_a_time
from flows.progress import counter, say
from flows.publish import Evaluated, run_published
from flows.training_sets import TrainingSet, open_training_set
from models.checkpoint import SHIPPED, SHIPPED_STAGE_2, load_checkpoint
from models.evaluation.conduct import Conduct
from models.evaluation.contestants import (
    Contestant,
    checkpoint_labels,
    contestant,
    texts_for_evaluator,
)
from models.evaluation.items import Items, choose_items
from models.evaluation.plan import EvaluationPlan
from models.evaluation.sample_cache import remove_partials
from models.evaluation.text_to_motion import evaluate_text_to_motion
from models.evaluation.text_to_motion_report import TextToMotionReport
from models.generate.generation import BatchPlan
from models.matching.body_parts import Part
from models.matching.evaluator import SHIPPED_EVALUATORS, Evaluator, load_evaluators
from models.matching.text_inputs import CaptionText
from pipeline.stopwatch import Stopwatch
from storage.lineage import code_commit, code_version

KIND = "text-to-motion"
SAMPLES = "samples"
"""Folder of drawn motions in the output folder."""
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class EvaluateOptions:
    """What `crossdiff evaluate` is asked to do."""

    data: str
    out: Path
    plan: EvaluationPlan
    checkpoint: Path | None = None
    """None: the shipped weights that suit the mode."""
    compare: tuple[Path, ...] = ()
    evaluators: Path | None = None
    """None: those that come with the package."""
    split: str = "test"
    datasets: tuple[str, ...] = ()
    text_encoder: Path | None = None
    device: str = "auto"
    bf16: bool = False
    quick: bool = False


@dataclass(frozen=True)
class _Prepared:
    """Everything that is needed to measure, opened and found to fit together."""

    opened: TrainingSet
    items: Items
    texts: Sequence[CaptionText]
    contestants: Sequence[Contestant]
    evaluators: Mapping[Part, Evaluator]


def run_evaluation(options: EvaluateOptions) -> tuple[TextToMotionReport, dict[str, Any]]:
    """Evaluate and publish: `report.html`, `metrics.json`, a row in `runs`.

    Wrong arguments are found before a flow run begins. Drawn motions are kept in OUT/samples: the
    same command again goes on where a killed one was.

    Returns:
        The report, and what `flows.publish.publish` says.

    Raises:
        ValueError: A wrong option, or parts that do not fit together.
        StoreError: The data cannot be read.
        CheckpointError: A checkpoint cannot be used.
        OSError: The output folder cannot be written.
    """
    prepared = _prepare(options)
    reports: list[TextToMotionReport] = []

    def measure() -> Evaluated:
        watch = Stopwatch()
        reports.append(_measure(options, prepared))
        return _evaluated(options, prepared, reports[-1], watch.seconds)

    names = ", ".join(entry.label for entry in prepared.contestants)
    with one_at_a_time(options.out, "an evaluation"):
        remove_partials(options.out / SAMPLES)
        _, published = run_published(KIND, f"text to motion of {names}", measure, options.out)
    return reports[-1], published


def _prepare(options: EvaluateOptions) -> _Prepared:
    if options.split not in SPLITS:
        raise ValueError(f"--split {options.split}: give {', '.join(SPLITS)}")
    device = device_named(options.device)
    if options.bf16 and device.type != "cuda":
        raise ValueError(
            f"--bf16 computes on a CUDA GPU only, and this runs on {device.type}: leave out --bf16"
        )
    opened = open_training_set(options.data, (options.split,), options.datasets)
    evaluators = load_evaluators(options.evaluators or SHIPPED_EVALUATORS, device)
    shipped = SHIPPED_STAGE_2 if options.plan.settings.mode == "3d" else SHIPPED
    folders = [options.checkpoint or shipped, *options.compare]
    loaded = [load_checkpoint(folder, device) for folder in folders]
    items = choose_items(
        opened.motions[options.split],
        opened.skeleton,
        options.plan,
        longest=min(each.network.config.max_frames for each in loaded),
        split=options.split,
    )
    labels = checkpoint_labels(folders)
    return _Prepared(
        opened,
        items,
        texts_for_evaluator(items, evaluators["all"], opened.text_encoder),
        [
            contestant(label, each, items, opened.text_encoder, options.text_encoder)
            for label, each in zip(labels, loaded, strict=True)
        ],
        evaluators,
    )


def _measure(options: EvaluateOptions, prepared: _Prepared) -> TextToMotionReport:
    how = Conduct(
        batches=BatchPlan.for_device(device_named(options.device), options.bf16),
        folder=options.out / SAMPLES,
        origin=drawn_by(),
        counter=counter,
        say=say,
    )
    return evaluate_text_to_motion(
        prepared.items,
        prepared.texts,
        prepared.contestants,
        prepared.evaluators,
        options.plan,
        how,
    )


def drawn_by() -> str:
    """Version and commit (`-dirty` where files differ from it): who draws motions."""
    return f"{code_version()} {code_commit() or 'no commit'}"


def _evaluated(
    options: EvaluateOptions, prepared: _Prepared, report: TextToMotionReport, seconds: float
) -> Evaluated:
    lineage = prepared.opened.lineage
    told = Told(
        data=str(lineage["data"]),
        table_version=lineage.get("table_version"),
        datasets=tuple(lineage["datasets"]),
        split=options.split,
        device=device_named(options.device).type,
        bf16=options.bf16,
        quick=options.quick,
        code=code_commit() or "",
        code_version=code_version(),
    )
    return Evaluated(
        kind=KIND,
        page=text_page(report, told, prepared.items.skeleton.fps),
        metrics=report.to_json(),
        lineage=lineage,
        checkpoint_ids=tuple(e.checkpoint.checkpoint_id for e in prepared.contestants),
        config={
            **asdict(options.plan),
            "split": options.split,
            "datasets": list(lineage["datasets"]),
            "quick": options.quick,
            "bf16": options.bf16,
            "device": told.device,
            "evaluators": dict(report.evaluator_ids),
        },
        seconds=seconds,
    )
