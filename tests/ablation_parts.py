"""A small store, untrained evaluators and a small ablation.

`python ablation_parts.py FOLDER STORE EVALUATORS` runs it, without Prefect, to be killed.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from evaluation_parts import captioned
from mocap_archives import Hashed
from no_prefect import without_prefect

import flows.ablation
from flows.ablation import AblationOptions
from flows.prepare import store_motions
from models.evaluation.plan import EvaluationPlan
from models.generate.sampling import SampleSettings
from models.matching.body_parts import PARTS, part_features
from models.matching.embedding import Evaluator
from models.matching.evaluator_files import save_evaluator
from models.matching.matching_data import row_scale
from models.matching.networks import MatchingNetwork, MatchingSizes
from models.matching.text_inputs import SentenceReader
from pipeline.skeletons import HUMANML3D

SPLITS = ("train", "train", "train", "val", "test", "test")
MOTIONS = 30
PLAN = EvaluationPlan(
    replications=2, pool=4, multimodality_texts=0, settings=SampleSettings(steps=2)
)
SIZES = MatchingSizes(movement_hidden=8, movement=8, motion_hidden=8, text_hidden=8, embedding=6)


def make_store(folder: Path) -> str:
    """Motions of 40 to 55 rows in all three splits."""
    url = str(folder / "store")
    add_data(url, "one", MOTIONS)
    return url


def add_data(url: str, name: str, count: int) -> None:
    """A data set of so many motions."""
    motions = [
        replace(
            motion,
            motion_id=f"{name}-{motion.motion_id}",
            split=SPLITS[i % len(SPLITS)],
            embeddings=np.zeros((0, 0), np.float32),
        )
        for i, motion in enumerate(captioned(count))
    ]
    store_motions(motions, url, name, encoder=Hashed(), skeleton=HUMANML3D, config={})


def make_evaluators(folder: Path) -> Path:
    """Of all three parts, untrained, for the store's text encoder."""
    out, source = folder / "evaluators", Hashed()
    rows = np.concatenate([motion.features for motion in captioned(MOTIONS)])
    mean, std = rows.mean(axis=0), rows.std(axis=0) + np.float32(0.01)
    for part in PARTS:
        torch.manual_seed(0)
        features = part_features(HUMANML3D, part)
        network = MatchingNetwork(SIZES, len(features), source.width)
        evaluator = Evaluator(
            part=part,
            skeleton=HUMANML3D,
            evaluator_id="",
            text_source=source.encoder_id,
            network=network.eval(),
            scale=row_scale(mean, std, HUMANML3D, part, 5.0),
            reader=SentenceReader(source.encoder_id, source.width),
        )
        save_evaluator(evaluator, out / part)
    return out


def small(data: str, evaluators: Path, out: Path, **changes: object) -> AblationOptions:
    """Two rows, two seeds, four steps."""
    options = AblationOptions(
        data=data,
        out=out,
        plan=PLAN,
        steps=4,
        batch_size=2,
        seeds=2,
        rows=("half", "half-2d"),
        evaluators=evaluators,
        device="cpu",
    )
    return replace(options, **changes)


if __name__ == "__main__":
    flows.ablation.run_published = without_prefect
    flows.ablation.run_ablation(small(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[1])))
