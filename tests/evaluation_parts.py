"""Tiny parts of an evaluation: captioned motions, random evaluators, untrained checkpoints."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from synthetic_motion import random_motion
from tiny_generator import tiny_checkpoint

from models.data.motion import Motion
from models.evaluation.contestants import Contestant, contestant, texts_for_evaluator
from models.evaluation.items import Items, choose_items
from models.evaluation.plan import EvaluationPlan
from models.generate.sampling import SampleSettings
from pipeline.canonical import canonicalise
from pipeline.representation3d import features_from_canonical
from pipeline.skeletons import HUMANML3D, Skeleton

TEXT_DIM = 8
ENCODER = "tests-encoder"
WIDTH = 12
PLAN = EvaluationPlan(
    replications=2,
    pool=4,
    diversity_pairs=6,
    multimodality_texts=2,
    multimodality_samples=3,
    multimodality_pairs=2,
    settings=SampleSettings(steps=2),
)


@dataclass(frozen=True)
class RandomEvaluator:
    """Projects mean and deviation of a motion's rows, and captions' embeddings; counts its work."""

    part: str = "all"
    skeleton: Skeleton = HUMANML3D
    text_source: str = ENCODER
    width: int = WIDTH
    seen: Counter = field(default_factory=Counter)

    @property
    def evaluator_id(self) -> str:
        return f"random-{self.part}"

    @property
    def about(self) -> dict:
        return {}

    def remarks(self, texts: Sequence) -> tuple[str, ...]:
        return ("captions are read at random",)

    def embed_motions(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        self.seen.update(id(each) for each in rows)
        self.seen["motions"] += len(rows)
        rng = np.random.default_rng([ord(letter) for letter in self.part])
        weights = rng.normal(size=(2 * self.skeleton.dim3, self.width))
        stats = np.stack([np.concatenate([r.mean(axis=0), r.std(axis=0)]) for r in rows])
        return np.asarray(stats @ weights, np.float32)

    def embed_texts(self, texts: Sequence) -> np.ndarray:
        self.seen["texts"] += len(texts)
        weights = np.random.default_rng(7).normal(size=(TEXT_DIM, self.width))
        return np.asarray(np.stack([t.embedding for t in texts]) @ weights, np.float32)


def evaluators(skeleton: Skeleton = HUMANML3D) -> dict:
    return {part: RandomEvaluator(part, skeleton) for part in ("all", "upper", "lower")}


def captioned(
    n: int, skeleton: Skeleton = HUMANML3D, split: str = "test", text_dim: int = TEXT_DIM
) -> list[Motion]:
    """n motions of 40 to 55 rows with two captions each."""
    out = []
    for i in range(n):
        rng = np.random.default_rng(500 + i)
        frames = 41 + 3 * i % 16
        scale = 1.0 / skeleton.metres_per_unit
        joints = canonicalise(random_motion(i, frames, skeleton) * scale, skeleton)
        captions = (f"motion {i} waves", f"motion {i % 5} walks")
        out.append(
            Motion(
                motion_id=f"m{i:03d}",
                split=split,
                joints=joints.astype(np.float32),
                captions=captions,
                embeddings=rng.normal(size=(2, text_dim)).astype(np.float32),
                tokens=tuple(tuple(f"{w}/NOUN" for w in c.split()) for c in captions),
                features=features_from_canonical(joints, skeleton).astype(np.float32),
                joint_set=skeleton.name,
                fps=skeleton.fps,
            )
        )
    return out


def same_embeddings(motions: list[Motion]) -> list[Motion]:
    """Equal sentences have equal embeddings, as an encoder gives them."""
    known: dict[str, np.ndarray] = {}
    for motion in motions:
        for i, caption in enumerate(motion.captions):
            motion.embeddings[i] = known.setdefault(caption, motion.embeddings[i].copy())
    return motions


def items_of(n: int = 14, plan: EvaluationPlan = PLAN, skeleton: Skeleton = HUMANML3D) -> Items:
    return choose_items(same_embeddings(captioned(n, skeleton)), skeleton, plan)


def entrant(items: Items, label: str = "tiny", **about) -> Contestant:
    made = tiny_checkpoint(items.skeleton, TEXT_DIM)
    made.about["text_encoder"] = ENCODER
    made.about.update(about)
    return contestant(label, made, items, ENCODER)


def texts_of(items: Items) -> list:
    return texts_for_evaluator(items, RandomEvaluator(skeleton=items.skeleton), ENCODER)
