"""Text to motion, scored by the field's protocol: ground truth and checkpoints on the same draws.

Per replication, chance draws a caption of every motion, their order (hence the pools), the pairs of
Diversity and MultiModality, and the noise of every motion that a checkpoint draws. All rows of a
report share all of it. Embeddings of the ground truth and of its captions are made once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from models.evaluation.checkpoint_scores import (
    Found,
    Task,
    drawing_of,
    physical_figures,
    score_checkpoint,
    wanted,
)
from models.evaluation.conduct import Conduct
from models.evaluation.contestants import Contestant, same_skeleton
from models.evaluation.intervals import Interval, interval
from models.evaluation.items import Items
from models.evaluation.limits import limits_of
from models.evaluation.plan import EvaluationPlan, Replication, draw_replication
from models.evaluation.provenance import imported_networks
from models.evaluation.sample_cache import check_space, rows_of_plan, rows_to_draw
from models.evaluation.scores import halves, reference, scores_of
from models.evaluation.stage_clock import StageClock
from models.evaluation.text_to_motion_report import Row, SampleScene, TextToMotionReport
from models.matching.body_parts import Part
from models.matching.evaluator import Evaluator
from models.matching.text_inputs import CaptionText
from pipeline.plausibility import count_unstanding, mean_plausibility
from pipeline.representation3d import recover_metric_joints

GROUND_TRUTH = "ground truth"


def evaluate_text_to_motion(
    items: Items,
    texts: Sequence[CaptionText],
    contestants: Sequence[Contestant],
    evaluators: Mapping[Part, Evaluator],
    plan: EvaluationPlan,
    how: Conduct | None = None,
) -> TextToMotionReport:
    """Score checkpoints beside the ground truth.

    Args:
        items: Motions of a split, from `items.choose_items`.
        texts: All their captions as the evaluators read them: `contestants.texts_for_evaluator`.
        contestants: The checkpoints, from `contestants.contestant`; none scores the ground truth.
        evaluators: By part of the body; `all` must be there.
        plan: What decides the scores.
        how: How to run.

    Raises:
        ValueError: Parts that do not fit together, or a motion that is not finite.
        OSError: Drawn motions cannot be kept.
    """
    how, clock = how or Conduct(), StageClock()
    _check(items, contestants, evaluators)
    draws = [draw_replication(items.captions_of_each, plan, r) for r in range(plan.replications)]
    with clock.stage("embed ground truth and captions"):
        known = reference(items, texts, evaluators)
    shown = _shown_items(items, draws[0], how.scenes)
    task = Task(items, known, evaluators, plan, draws, shown)
    _check_space(task, contestants, how)
    with clock.stage("ground truth's scores"):
        truth = _truth(task)
        apart = [each for draw in draws if (each := halves(known, draw))]
        chance = _intervals(apart) if apart else {}
        bf16 = how.batches is not None and how.batches.bf16
        limits = limits_of(items, texts, evaluators, known, draws, plan, bf16=bf16)
    for warning in limits.warnings:
        how.say(f"note: {warning}")
    found = [score_checkpoint(entry, task, how, clock) for entry in contestants]
    labels = [GROUND_TRUTH, *(entry.label for entry in contestants)]
    ids = ["", *(entry.checkpoint.checkpoint_id for entry in contestants)]
    return TextToMotionReport(
        plan=plan,
        rows=tuple(map(_row, labels, ids, [truth, *found])),
        chance=chance,
        limits=limits,
        evaluator_ids={part: e.evaluator_id for part, e in evaluators.items()},
        text_source=evaluators["all"].text_source,
        imported_networks=imported_networks(evaluators),
        skeleton=items.skeleton.name,
        seconds=clock.seconds,
        shards=sum((each.shards for each in found), Counter()),
        scenes=_scenes(task, labels, [truth, *found]),
    )


def _check(
    items: Items,
    contestants: Sequence[Contestant],
    evaluators: Mapping[Part, Evaluator],
) -> None:
    if "all" not in evaluators:
        raise ValueError("there is no evaluator of the whole body: train or import one")
    for evaluator in evaluators.values():
        same_skeleton(items.skeleton, evaluator.skeleton, f"evaluator {evaluator.evaluator_id}")
    labels = [GROUND_TRUTH, *(entry.label for entry in contestants)]
    if len(set(labels)) < len(labels):
        raise ValueError(f"each row of the report needs a name of its own, not {labels}")


def _check_space(task: Task, contestants: Sequence[Contestant], how: Conduct) -> None:
    """Before hours are spent: the motions still to be drawn must fit on the disk."""
    if how.folder is None:
        return
    rows = rows_of_plan([len(item.rows) for item in task.items.items], task.plan)

    def left() -> int:
        return sum(_rows_to_draw(task, entry, how) for entry in contestants)

    check_space(how.folder, rows * len(contestants), task.items.skeleton.dim3, left)


def _rows_to_draw(task: Task, entry: Contestant, how: Conduct) -> int:
    """Rows of a checkpoint's motions that no earlier run left."""
    drawing, copies = drawing_of(entry, task, how), range(1, task.plan.multimodality_samples + 1)
    total = 0
    for draw in task.draws:
        once = [wanted(task, entry, draw, item, 0) for item in range(len(task.items))]
        again = [wanted(task, entry, draw, int(i), copy) for i in draw.texts for copy in copies]
        total += rows_to_draw(drawing, once) + rows_to_draw(drawing, again)
    return total


def _truth(task: Task) -> Found:
    """The ground truth's row: the same motions in every replication, so one set of figures."""
    rows = [item.rows for item in task.items.items]
    figures = [physical_figures(each, task.items.skeleton) for each in rows]
    known = task.known
    return Found(
        scores=[scores_of(known.truth, known, draw, task.plan) for draw in task.draws],
        physical=[mean_plausibility(figures)],
        unstanding=[count_unstanding(figures)],
        shown={i: rows[i] for i in task.shown},
    )


def _row(label: str, checkpoint_id: str, found: Found) -> Row:
    physical = _known_intervals([asdict(figures) for figures in found.physical])
    return Row(label, checkpoint_id, _intervals(found.scores), physical, interval(found.unstanding))


def _intervals(replications: Sequence[Mapping[str, float]]) -> dict[str, Interval]:
    return {name: interval([each[name] for each in replications]) for name in replications[0]}


def _known_intervals(replications: Sequence[Mapping[str, float | None]]) -> dict[str, Interval]:
    """Of each figure over the replications in which it is known; without those that never are."""
    values = {name: [each[name] for each in replications] for name in replications[0]}
    known = {name: [v for v in given if v is not None] for name, given in values.items()}
    return {name: interval(given) for name, given in known.items() if given}


def _shown_items(items: Items, draw: Replication, count: int) -> list[int]:
    """The first items of a replication's order whose captions differ."""
    found: dict[str, int] = {}
    for item in draw.order:
        if len(found) == count:
            break
        found.setdefault(_caption(items, draw, int(item)), int(item))
    return list(found.values())


def _caption(items: Items, draw: Replication, item: int) -> str:
    return items.items[item].captions[int(draw.captions[item])].caption


def _scenes(task: Task, labels: Sequence[str], found: Sequence[Found]) -> tuple[SampleScene, ...]:
    skeleton = task.items.skeleton
    return tuple(
        SampleScene(
            _caption(task.items, task.draws[0], item),
            task.items.items[item].motion_id,
            tuple(
                (label, recover_metric_joints(each.shown[item], skeleton))
                for label, each in zip(labels, found, strict=True)
            ),
        )
        for item in task.shown
    )
