"""The scores of an ablation's trainings: text to motion of all at once, and the lift of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from flows.ablation_runs import Training
from flows.evaluate import drawn_by
from flows.progress import counter, progress, say
from flows.published_metrics import read_json, write_json
from flows.training_sets import TrainingSet
from models.checkpoint import Checkpoint, load_checkpoint
from models.data.motion import Motion
from models.evaluation.ablation import AblationReport, RowOutcome, RunScores
from models.evaluation.ablation_lift import lift_errors, measurable
from models.evaluation.ablation_pace import Stage
from models.evaluation.ablation_rows import ROWS, run_name
from models.evaluation.ablation_share import share_of
from models.evaluation.conduct import Conduct
from models.evaluation.contestants import contestant
from models.evaluation.items import Items
from models.evaluation.plan import EvaluationPlan
from models.evaluation.text_to_motion import evaluate_text_to_motion
from models.evaluation.text_to_motion_report import Row, TextToMotionReport
from models.generate.generation import BatchPlan
from models.matching.body_parts import Part
from models.matching.evaluator import Evaluator
from models.matching.text_inputs import CaptionText

SAMPLES = "samples"
"""Folder of drawn motions in the ablation's own."""
LIFT_FILE = "lift.json"
"""In Stage I's folder: its lift is measured."""
TRAIN, TEST = "train", "test"
SCENES = 3
"""Captions whose motions the report plays."""


@dataclass(frozen=True)
class Scoring:
    """What all trainings are scored on and with."""

    opened: TrainingSet
    items: Items
    texts: Sequence[CaptionText]
    evaluators: Mapping[Part, Evaluator]
    plan: EvaluationPlan
    device: torch.device


@dataclass(frozen=True)
class Scored:
    """All that was found."""

    report: AblationReport
    text: TextToMotionReport
    """How the scores were made, and the motions."""


def score_all(training: Training, seconds: Mapping[Stage, float], scoring: Scoring) -> Scored:
    """Score every finished run; what an earlier call has drawn or measured is read.

    Args:
        training: Where the runs are.
        seconds: Every stage of every run, with its seconds of training.
        scoring: What to score on and with.

    Raises:
        ValueError: Parts that do not fit together, or motions that are not finite.
        CheckpointError: A run's checkpoint cannot be used.
    """
    first = [stage for stage in seconds if stage.number == 1]
    text = _text_scores(training, first, scoring)
    known = dict(zip(first, text.rows[1:], strict=True))
    rows = tuple(dict.fromkeys(stage.row for stage in first))
    outcomes = [
        _outcome(training, [stage for stage in first if stage.row == row], known, seconds, scoring)
        for row in rows
    ]
    return Scored(AblationReport(tuple(outcomes), text.rows[0].scores), text)


def _text_scores(
    training: Training, stages: Sequence[Stage], scoring: Scoring
) -> TextToMotionReport:
    """One report of all runs: the ground truth and all captions are embedded once."""
    items, stored = scoring.items, scoring.opened.text_encoder
    entries = [
        contestant(
            run_name(stage.row, stage.seed),
            load_checkpoint(_last(training, stage), scoring.device),
            items,
            stored,
        )
        for stage in stages
    ]
    how = Conduct(
        batches=BatchPlan.for_device(scoring.device, bf16=False),
        folder=training.out / SAMPLES,
        origin=drawn_by(),
        counter=counter,
        say=say,
        scenes=SCENES,
    )
    return evaluate_text_to_motion(
        items, scoring.texts, entries, scoring.evaluators, scoring.plan, how
    )


def _last(training: Training, stage: Stage) -> Path:
    """The weights that draw motions."""
    return training.checkpoint(replace(stage, number=2) if training.stage_2 else stage)


def _outcome(
    training: Training,
    stages: Sequence[Stage],
    known: Mapping[Stage, Row],
    seconds: Mapping[Stage, float],
    scoring: Scoring,
) -> RowOutcome:
    """One row over its seeds."""
    row = stages[0].row
    loaded = [load_checkpoint(training.checkpoint(stage), scoring.device) for stage in stages]
    runs = [
        RunScores(
            row,
            stage.seed,
            known[stage].checkpoint_id,
            {name: value.mean for name, value in known[stage].scores.items()},
            {} if ROWS[row].only_3d else _lift(training, stage, checkpoint, scoring),
            sum(s for other, s in seconds.items() if (other.row, other.seed) == (row, stage.seed)),
        )
        for stage, checkpoint in zip(stages, loaded, strict=True)
    ]
    return RowOutcome(row, tuple(runs), share_of(scoring.opened.motions[TRAIN], loaded[0]))


def _lift(
    training: Training, stage: Stage, checkpoint: Checkpoint, scoring: Scoring
) -> dict[str, float]:
    """Errors of Stage I's lift: Stage II trains another path."""
    file = training.folder(stage) / LIFT_FILE
    before = read_json(file)
    if before.get("checkpoint_id") == checkpoint.checkpoint_id:
        return dict(before["errors"])
    errors = lift_errors(checkpoint, _shown(measurable(scoring.opened.motions[TEST]), stage))
    write_json(file, {"checkpoint_id": checkpoint.checkpoint_id, "errors": errors})
    return errors


def _shown(motions: Sequence[Motion], stage: Stage) -> Iterable[Motion]:
    return progress(motions, f"lift of {run_name(stage.row, stage.seed)}", "motion")
