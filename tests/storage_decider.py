"""Records decisions in a process of its own, for tests that run several at once or kill one.

python storage_decider.py URL NAME [--line-up] [--no-lock] MOTION_ID...
Each motion gets a decision by NAME. With --line-up it says "ready" and waits for a line on stdin.
"""

import argparse
import sys
from datetime import UTC, datetime

from storage.decisions import Decision, record_decisions
from storage.store import open_store

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("name")
    parser.add_argument("motions", nargs="+")
    parser.add_argument("--line-up", action="store_true")
    parser.add_argument("--no-lock", action="store_true")
    args = parser.parse_args()
    store = open_store(args.url, locking=not args.no_lock)
    if args.line_up:
        print("ready", flush=True)
        sys.stdin.readline()
    for motion in args.motions:
        made = Decision(motion_id=motion, by=args.name, at=MOMENT, note=f"by {args.name}")
        record_decisions(store, [made])


if __name__ == "__main__":
    main()
