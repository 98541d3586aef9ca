"""Twenty replications of an evaluation against one: wall-clock and CPU seconds, and by stage.

`python tests/benchmarks/evaluation_cost.py [--n 512] [--replications 20] [--texts 0]`

The network is tiny and untrained, the evaluators are of the published size and untrained, the
motions are noise: what is measured is the protocol's own cost. Drawing with a real network makes
the ratio come nearer to the number of replications, since ground truth is embedded once. On a busy
machine look at the ratio of CPU seconds.
"""

import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from evaluator_folders import save_evaluators
from tiny_generator import tiny_checkpoint

from models.evaluation.conduct import Conduct
from models.evaluation.contestants import contestant, texts_for_evaluator
from models.evaluation.items import Item, Items
from models.evaluation.plan import EvaluationPlan
from models.evaluation.text_to_motion import evaluate_text_to_motion
from models.generate.sampling import SampleSettings
from models.matching.evaluator import load_evaluators
from models.matching.networks import MatchingSizes
from models.matching.text_inputs import CaptionText
from pipeline.skeletons import HUMANML3D

ENCODER, TEXT_DIM = "benchmark", 8
LENGTHS = (20, 28, 40, 56)


def noise_items(n: int, seed: int) -> Items:
    """n motions of noise with three captions each."""
    rng = np.random.default_rng(seed)
    items = []
    for i in range(n):
        rows = rng.normal(scale=0.1, size=(LENGTHS[i % len(LENGTHS)], HUMANML3D.dim3))
        captions = tuple(
            CaptionText(f"{i} {k}", (), rng.normal(size=TEXT_DIM).astype(np.float32))
            for k in range(3)
        )
        items.append(Item(f"m{i}", rows.astype(np.float32), captions))
    return Items(tuple(items), HUMANML3D, n, "test", ())


def main(n: int = 512, replications: int = 20, texts: int = 0, seed: int = 0) -> None:
    """Print one JSON object.

    Args:
        n: Motions.
        replications: Against one.
        texts: Of MultiModality; its motions only add drawing, in proportion to the replications.
        seed: Of the motions.
    """
    items, made = noise_items(n, seed), tiny_checkpoint(text_dim=TEXT_DIM)
    made.about["text_encoder"] = ENCODER
    entry = contestant("tiny", made, items, ENCODER)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        sizes = MatchingSizes()
        evaluators = load_evaluators(save_evaluators(place, ENCODER, sizes=sizes))
        captions = texts_for_evaluator(items, evaluators["all"], ENCODER)
        plan = EvaluationPlan(
            replications=1, multimodality_texts=texts, settings=SampleSettings(steps=1)
        )
        evaluate_text_to_motion(items, captions, [entry], evaluators, plan)  # warm-up
        seconds, cpu, stages = [], [], []
        for count in (1, replications):
            began, worked = time.perf_counter(), time.process_time()
            report = evaluate_text_to_motion(
                items,
                captions,
                [entry],
                evaluators,
                dataclasses.replace(plan, replications=count),
                Conduct(folder=place / f"samples{count}"),
            )
            seconds.append(time.perf_counter() - began)
            cpu.append(time.process_time() - worked)
            stages.append({name: round(value, 3) for name, value in report.seconds.items()})
    result = {
        "n": n, "replications": replications, "texts": texts, "seed": seed,
        "torch": torch.__version__, "threads": torch.get_num_threads(),
        "seconds_one": round(seconds[0], 2), "seconds_all": round(seconds[1], 2),
        "cpu_seconds_one": round(cpu[0], 2), "cpu_seconds_all": round(cpu[1], 2),
        "ratio": round(seconds[1] / seconds[0], 2), "cpu_ratio": round(cpu[1] / cpu[0], 2),
        "stages_one": stages[0], "stages_all": stages[1],
    }  # fmt: skip
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    import tyro

    tyro.cli(main)
