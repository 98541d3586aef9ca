"""A tiny evaluation in its own process, to be killed: `evaluation_victim.py OUT SECONDS`.

Writes its scores to OUT/scores.json at the end. Waits SECONDS after every denoising step and says
how many motions have been drawn, so that a test can strike in the middle.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluation_parts import PLAN, entrant, evaluators, items_of, texts_of

from models.evaluation import sample_cache
from models.evaluation.conduct import Conduct
from models.evaluation.text_to_motion import evaluate_text_to_motion
from models.evaluation.text_to_motion_report import TextToMotionReport

SHARD = 4


class SlowBar:
    """Prints the count, and waits."""

    def __init__(self, pause: float) -> None:
        self.pause, self.count = pause, 0

    def update(self, n: float, /) -> None:
        self.count += int(n)
        print(self.count, flush=True)
        time.sleep(self.pause)


def evaluate(out: Path, pause: float = 0.0) -> TextToMotionReport:
    """All replications, motions kept in shards of four."""
    sample_cache.SHARD_CPU = SHARD

    @contextmanager
    def counter(_total: int, _what: str, _unit: str) -> Iterator[SlowBar]:
        yield SlowBar(pause)

    items = items_of()
    how = Conduct(folder=out / "samples", counter=counter)
    return evaluate_text_to_motion(
        items, texts_of(items), [entrant(items)], evaluators(), PLAN, how
    )


def scores(report: TextToMotionReport) -> list:
    """Every number that a reader would compare."""
    return json.loads(json.dumps([row.to_json() for row in report.rows]))


if __name__ == "__main__":
    found = scores(evaluate(Path(sys.argv[1]), float(sys.argv[2])))
    (Path(sys.argv[1]) / "scores.json").write_text(json.dumps(found))
