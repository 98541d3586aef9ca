"""How a text-to-motion evaluation is made: its options, and what each replication draws."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from models.diffusion import STEPS
from models.evaluation.metrics import (
    DIVERSITY_PAIRS,
    MULTIMODALITY_PAIRS,
    MULTIMODALITY_SAMPLES,
    MULTIMODALITY_TEXTS,
    POOL,
    Pairs,
    draw_pairs,
)
from models.generate.sampling import GUIDANCE, SampleSettings
from pipeline.arrays import Int64

REPLICATIONS = 20
SUBSET_STREAM = 0
"""First of the random streams; replication r has stream r + 1."""


@dataclass(frozen=True)
class EvaluationPlan:
    """Everything that decides the numbers, besides data, checkpoint and evaluators."""

    replications: int = REPLICATIONS
    samples: int | None = None
    """Motions of the split that count; None: all."""
    pool: int = POOL
    diversity_pairs: int = DIVERSITY_PAIRS
    multimodality_texts: int = MULTIMODALITY_TEXTS
    """0 leaves MultiModality out: it takes most of the time."""
    multimodality_samples: int = MULTIMODALITY_SAMPLES
    multimodality_pairs: int = MULTIMODALITY_PAIRS
    all_lengths: bool = False
    """Count motions that the data set's published loader leaves out for their length, too."""
    seed: int = 1
    settings: SampleSettings = field(default_factory=SampleSettings)

    def __post_init__(self) -> None:
        at_least = {
            "replications": 1,
            "pool": 2,
            "diversity_pairs": 1,
            "multimodality_texts": 0,
            "multimodality_samples": 2,
            "multimodality_pairs": 1,
            "seed": 0,
        }
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if self.samples is not None and self.samples < self.pool:
            raise ValueError(
                f"{self.samples} samples do not fill one pool of {self.pool}: take more samples "
                "or a smaller pool"
            )
        if self.multimodality_pairs > self.multimodality_samples:
            raise ValueError("MultiModality draws at most as many pairs as a text has samples")
        if self.settings.output != "3d":
            raise ValueError("evaluation scores 3D motion: use mode 3d or mixture")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


QUICK = EvaluationPlan(
    replications=3, samples=128, multimodality_texts=10, settings=SampleSettings(steps=10)
)
"""A look at a checkpoint; its scores are not the paper's."""


PUBLISHED_SPLIT = "test"
ALWAYS_DIFFERS = (
    "a motion's first whole units of 4 rows count (published: a crop at random, one unit shorter a "
    "third of the time)",
    "FID and Diversity count the motions of the last, partial pool too (published: no score does)",
)
"""In what every evaluation here is not the published one, whatever its settings."""


def departures(
    plan: EvaluationPlan, split: str = PUBLISHED_SPLIT, *, bf16: bool = False
) -> list[str]:
    """In what the settings are not the published ones.

    Where nothing is found an evaluation still `ALWAYS_DIFFERS`, and by its evaluators.

    Args:
        plan: The evaluation.
        split: What is scored.
        bf16: Whether motions are drawn in bfloat16.
    """
    paper = EvaluationPlan()
    names = {
        "replications": "replications",
        "pool": "motions in a pool",
        "diversity_pairs": "pairs for Diversity",
        "multimodality_texts": "texts for MultiModality",
        "multimodality_samples": "samples a text for MultiModality",
        "multimodality_pairs": "pairs a text for MultiModality",
    }
    found = [
        f"{words}: {getattr(plan, name)} instead of {getattr(paper, name)}"
        for name, words in names.items()
        if getattr(plan, name) != getattr(paper, name)
    ]
    if split != PUBLISHED_SPLIT:
        found.append(f"split: {split} instead of {PUBLISHED_SPLIT}")
    if plan.samples is not None:
        found.append(f"motions: at most {plan.samples} of the split")
    if (plan.settings.sampler, plan.settings.steps) != ("ddpm", STEPS):
        found.append(
            f"steps: {plan.settings.steps} of {plan.settings.sampler} instead of ddpm's {STEPS}"
        )
    return [*found, *_drawn_otherwise(plan, bf16)]


def _drawn_otherwise(plan: EvaluationPlan, bf16: bool) -> list[str]:
    settings, found = plan.settings, []
    if plan.all_lengths:
        found.append("lengths: all, also those that the published loader leaves out")
    if settings.mode != "3d":
        found.append(f"mode: {settings.mode} from t = {settings.alpha} on instead of 3d")
    if settings.guidance != GUIDANCE:
        found.append(f"guidance: {settings.guidance:g} instead of {GUIDANCE:g}")
    if bf16:
        found.append("numbers: bfloat16 instead of float32")
    return found


def chosen_subset(n: int, plan: EvaluationPlan) -> Int64:
    """(at most plan.samples,) rising indices: which of n motions count."""
    if plan.samples is None or plan.samples >= n:
        return np.arange(n)
    rng = np.random.default_rng([plan.seed, SUBSET_STREAM])
    return np.sort(rng.permutation(n)[: plan.samples])


@dataclass(frozen=True)
class Replication:
    """What one replication draws; ground truth and all checkpoints share it."""

    number: int
    captions: Int64
    """(N,) of each motion's captions, which one."""
    order: Int64
    """(N,) the motions' order, cut into pools."""
    pairs: Pairs
    """For Diversity."""
    texts: Int64
    """(M,) motions whose captions are drawn again and again for MultiModality."""
    sample_pairs: Pairs
    """For MultiModality."""


def draw_replication(captions: Sequence[int], plan: EvaluationPlan, number: int) -> Replication:
    """Everything that chance decides in a replication but the noise of the motions.

    Args:
        captions: How many captions each motion has, all at least 1.
        plan: The evaluation; fewer motions than it wants pairs or texts give fewer of these.
        number: Of the replication, from 0.
    """
    n = len(captions)
    rng = np.random.default_rng([plan.seed, number + 1])
    return Replication(
        number,
        captions=rng.integers(np.asarray(captions, np.int64)),
        order=rng.permutation(n),
        pairs=draw_pairs(n, min(n, plan.diversity_pairs), rng),
        texts=rng.permutation(n)[: plan.multimodality_texts],
        sample_pairs=draw_pairs(plan.multimodality_samples, plan.multimodality_pairs, rng),
    )
