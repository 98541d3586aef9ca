"""One checkpoint's motions: drawn for each replication, embedded, scored."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.evaluation.conduct import Bar, Conduct
from models.evaluation.contestants import Contestant
from models.evaluation.items import Items
from models.evaluation.plan import EvaluationPlan, Replication
from models.evaluation.sample_cache import Drawing, Shard, Wanted, drawn_shards
from models.evaluation.scores import Embedded, Reference, embed_motions, scores_of
from models.evaluation.stage_clock import StageClock
from models.generate.generation import BatchPlan, MotionRequest, device_of, noise_seed
from models.matching.body_parts import Part
from models.matching.evaluator import Evaluator
from pipeline.arrays import Float32
from pipeline.plausibility import (
    Plausibility,
    count_unstanding,
    mean_plausibility,
    plausibility,
)
from pipeline.representation3d import recover_metric_joints
from pipeline.skeletons import Skeleton

EMBED = "embed drawn motions"
PHYSICAL = "physical figures"


@dataclass(frozen=True)
class Task:
    """What all checkpoints of an evaluation have in common."""

    items: Items
    known: Reference
    evaluators: Mapping[Part, Evaluator]
    plan: EvaluationPlan
    draws: Sequence[Replication]
    """One a replication."""
    shown: Sequence[int]
    """Items whose motions of the first replication are kept to be played."""


@dataclass
class Found:
    """What a set of motions gave, growing replication by replication."""

    scores: list[dict[str, float]] = field(default_factory=list)
    physical: list[Plausibility] = field(default_factory=list)
    """Means over the motions."""
    unstanding: list[int] = field(default_factory=list)
    """Motions in which no foot stands."""
    shown: dict[int, Float32] = field(default_factory=dict)
    """(T, D3) by item."""
    shards: Counter[str] = field(default_factory=Counter)
    """How many were drawn, read, or damaged and drawn again."""


def score_checkpoint(entry: Contestant, task: Task, how: Conduct, clock: StageClock) -> Found:
    """Draw and score all replications of one checkpoint.

    Args:
        entry: The checkpoint.
        task: What it has to do.
        how: How the evaluation runs.
        clock: Counts the seconds of the stages.

    Raises:
        ValueError: It draws a motion that is not finite, or takes no such request.
        OSError: Motions cannot be kept.
    """
    found = Found()
    drawing = drawing_of(entry, task, how)
    with how.counter(_steps(task), f"draw {entry.label}", "step") as bar:
        work = _Work(entry, task, drawing, found, clock, how.say, bar)
        for draw in task.draws:
            motions, physical = work.one_for_each(draw)
            embedded = Embedded(motions, work.many_of_a_text(draw))
            with clock.stage("scores"):
                found.scores.append(scores_of(embedded, task.known, draw, task.plan))
            found.physical.append(physical)
    return found


def drawing_of(entry: Contestant, task: Task, how: Conduct) -> Drawing:
    """Who draws, how, and where the motions are kept."""
    batches = how.batches or BatchPlan.for_device(device_of(entry.checkpoint))
    return Drawing(entry.checkpoint, task.plan.settings, batches, how.folder, how.origin)


def wanted(task: Task, entry: Contestant, draw: Replication, item: int, copy: int) -> Wanted:
    """One motion to draw: as long as the ground truth, with noise of its own.

    Args:
        task: The evaluation.
        entry: Whose text embeddings to give.
        draw: The replication.
        item: Which motion's caption and length.
        copy: 0 for the motion that is scored beside the ground truth, 1 and on for others.
    """
    about = task.items.items[item]
    caption = about.captions[draw.captions[item]].caption
    named = f"motion {about.motion_id}, replication {draw.number + 1}, '{caption}'"
    noise = noise_seed(task.plan.seed, f"{draw.number}\n{about.motion_id}\n{caption}", copy)
    return Wanted(named, MotionRequest(entry.texts[caption], len(about.rows), noise))


def physical_figures(rows: Float32, skeleton: Skeleton) -> Plausibility:
    """Physical figures of the motion of (T, D3) feature rows, not normalised."""
    return plausibility(recover_metric_joints(rows, skeleton), skeleton)


def _steps(task: Task) -> int:
    plan = task.plan
    motions = len(task.items) + len(task.draws[0].texts) * plan.multimodality_samples
    return len(task.draws) * motions * plan.settings.steps


@dataclass(frozen=True)
class _Work:
    """A checkpoint's motions on their way from the network to their embeddings."""

    entry: Contestant
    task: Task
    drawing: Drawing
    found: Found
    clock: StageClock
    say: Callable[[str], object]
    bar: Bar

    def one_for_each(self, draw: Replication) -> tuple[dict[Part, Float32], Plausibility]:
        """(N, E) of each part, and the means of the physical figures."""
        task, skeleton = self.task, self.task.items.skeleton
        places: list[int] = []
        parts: list[dict[Part, Float32]] = []
        figures: list[Plausibility] = []
        for shard in self._shards([self._wanted(draw, i, 0) for i in range(len(task.items))]):
            with self.clock.stage(EMBED):
                parts.append(embed_motions(shard.features, task.evaluators))
            with self.clock.stage(PHYSICAL):
                figures += [physical_figures(rows, skeleton) for rows in shard.features]
            places += shard.places
            if draw.number == 0:
                pairs = zip(shard.places, shard.features, strict=True)
                self.found.shown.update((i, rows) for i, rows in pairs if i in task.shown)
        self.found.unstanding.append(count_unstanding(figures))
        # In the items' order, so that no sum hangs on how motions were put into shards.
        order = np.argsort(places)
        motions = {
            part: np.concatenate([vectors[part] for vectors in parts])[order]
            for part in task.evaluators
        }
        return motions, mean_plausibility([figures[i] for i in order])

    def many_of_a_text(self, draw: Replication) -> Float32 | None:
        """(M, S, E) for MultiModality; None where the plan leaves it out.

        They are drawn for it alone: none of them is a motion that the other scores see.
        """
        copies = range(1, self.task.plan.multimodality_samples + 1)
        asked = [self._wanted(draw, int(item), copy) for item in draw.texts for copy in copies]
        if not asked:
            return None
        places: list[int] = []
        parts: list[Float32] = []
        for shard in self._shards(asked):
            with self.clock.stage(EMBED):
                parts.append(self.task.evaluators["all"].embed_motions(shard.features))
            places += shard.places
        vectors = np.concatenate(parts)[np.argsort(places)]
        return vectors.reshape(len(draw.texts), len(copies), -1)

    def _wanted(self, draw: Replication, item: int, copy: int) -> Wanted:
        return wanted(self.task, self.entry, draw, item, copy)

    def _shards(self, asked: Sequence[Wanted]) -> Iterator[Shard]:
        for shard in drawn_shards(self.drawing, asked, self.bar.update):
            self.clock.add(f"draw {self.entry.label}", shard.seconds)
            self.found.shards[shard.state] += 1
            if shard.state == "damaged":
                self.say(
                    f"a file of drawn motions of {self.entry.label} was damaged: its "
                    f"{len(shard.places)} motions were drawn again"
                )
            yield shard
