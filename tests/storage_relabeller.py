"""Labels a data set anew in a process of its own, with labels that are a function of a number.

python storage_relabeller.py URL NUMBER [--no-lock] [--line-up]
With --line-up it says "ready" when its labels are kept aside, and commits when told to on stdin.
"""

import argparse
import sys
from dataclasses import replace

import numpy as np
import storage_shards as samples

from storage.lineage import Recipe, make_lineage
from storage.relabelling import (
    Relabelling,
    RelabelReport,
    begin_relabelling,
    commit_labels,
    keep_labels,
    missing_labels,
    read_motions,
)
from storage.rows import MotionRow
from storage.store import Store, open_store

SHARD = 2


def recipe(number: int) -> Recipe:
    return Recipe(samples.RECIPE.estimator_id, f"checkpoint-{number}", samples.RECIPE.config)


def label(row: MotionRow, number: int) -> MotionRow:
    """What a network would say: of a motion's own 2D, and of which network it is."""
    t, j = row.joint_mask.shape
    joints = np.full((t, j, 3), number + float(row.view2d[0, 0, 0]), np.float32)
    return replace(
        row,
        joints3d=joints,
        features3d=np.full((t - 1, 263), number, np.float32),
        feature_mask3d=np.ones((t - 1, 263), np.bool_),
        view_azimuth_deg=float(number),
        quality_reprojection_error=number / 10,
        quality_jitter=None,
    )


def begin(store: Store, number: int, *, label_2d_only: bool = False) -> Relabelling | None:
    made = recipe(number)
    return begin_relabelling(
        store, "demo", made, make_lineage(made, {"n": number}), label_2d_only=label_2d_only
    )


def keep(work: Relabelling, number: int) -> int:
    """Label all that is missing; returns how many shards that took."""
    shards = missing_labels(work, SHARD)
    for shard in shards:
        keep_labels(work, [label(row, number) for row in read_motions(shard)])
    return len(shards)


def relabel(store: Store, number: int, *, line_up: bool = False) -> RelabelReport | None:
    """All of it, as `crossdiff relabel` does it."""
    work = begin(store, number)
    while work is not None:
        keep(work, number)
        if line_up:
            print("ready", flush=True)
            sys.stdin.readline()
            line_up = False
        report = commit_labels(work)
        if report is not None:
            return report
    return None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("number", type=int)
    parser.add_argument("--no-lock", action="store_true")
    parser.add_argument("--line-up", action="store_true")
    args = parser.parse_args()
    store = open_store(args.url, locking=not args.no_lock)
    relabel(store, args.number, line_up=args.line_up)


if __name__ == "__main__":
    main()
