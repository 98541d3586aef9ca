"""Writes the row of a run in a process of its own, for tests that kill it or run several at once.

python storage_run_writer.py URL RUN_ID [--no-lock] [--line-up]
With --line-up it says "ready" before it writes, and goes on when it is told to on stdin.
"""

import argparse
import sys

from storage.runs import RunRow, record_run
from storage.store import open_store


def run_row(run_id: str, **changes: object) -> RunRow:
    """A run with something in every column."""
    values: dict[str, object] = {
        "run_id": run_id,
        "kind": "evaluate",
        "what": "lift",
        "data": "STORE@1",
        "seconds": 1.5,
        "config": {"seed": 1, "split": "test"},
        "metrics": {"mpjpe_mm": 66.8, "by_view": {"front": 61.0}},
        "store_version": 1,
        "table_versions": {"videos": 1, "motions": 1},
        "datasets": ("demo",),
        "checkpoint_ids": ("best-0123456789ab",),
        "out": "/evaluations/one",
        "code_commit": "0" * 40,
    }
    return RunRow(**{**values, **changes})  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("run_id")
    parser.add_argument("--no-lock", action="store_true")
    parser.add_argument("--line-up", action="store_true")
    args = parser.parse_args()
    store = open_store(args.url, locking=not args.no_lock)
    if args.line_up:
        print("ready", flush=True)
        sys.stdin.readline()
    record_run(store, run_row(args.run_id))


if __name__ == "__main__":
    main()
