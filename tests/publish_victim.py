"""Publishes an evaluation in a process of its own, for tests that kill it while it waits.

python publish_victim.py STORE OUT row|metrics
It says "here" before it writes the row, or the metrics, and goes on when it is told to on stdin.
"""

import sys
from pathlib import Path
from typing import Any

import flows.publish as publishing
from flows.evaluation_page.model import Page
from flows.publish import METRICS_NAME, Evaluated


def evaluated(store: str, value: float = 1.0, seconds: float = 1.0) -> Evaluated:
    lineage = {"data": store, "store": store, "version": 1, "datasets": ["demo"]}
    metrics = {"a": value, "seconds_by_stage": {"lift": seconds}}
    page = Page("A lift", (), (), ())
    return Evaluated("lift", page, metrics, lineage, (), {"seed": 1}, seconds)


def waiting(write: Any, point: str) -> Any:
    def wait(*arguments: Any) -> Any:
        if point == "row" or arguments[0].name == METRICS_NAME:
            print("here", flush=True)
            sys.stdin.readline()
        return write(*arguments)

    return wait


def main() -> None:
    store, out, point = sys.argv[1:]
    name = {"row": "record_run", "metrics": "write_json"}[point]
    setattr(publishing, name, waiting(getattr(publishing, name), point))
    publishing.publish(evaluated(store), Path(out))


if __name__ == "__main__":
    main()
