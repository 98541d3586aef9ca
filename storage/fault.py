"""A way to die at a named point, so that tests can prove what a killed run leaves behind.

Set `CROSSDIFF_FAULT=<point>` (or `<point>:<n>`, the n-th time the point is passed) and the process
kills itself with SIGKILL there: no handler runs, no buffer is flushed. Unset, nothing happens.
"""

import os
import signal
from collections import Counter

VARIABLE = "CROSSDIFF_FAULT"

BEFORE_TRACKS = "before_tracks"
"""A shard is computed, nothing of it is written."""
MID_WRITE = "mid_write"
"""Inside a data file: a row group is out, the file is not closed, no log entry exists."""
AFTER_TRACKS = "after_tracks"
"""The tracks are committed, the motions are not."""
AFTER_MOTIONS = "after_motions"
"""Tracks and motions are committed, the videos are not: the shard does not count as done."""
AFTER_VIDEOS = "after_videos"
"""The shard is whole, but nobody was told."""

POINTS = (BEFORE_TRACKS, MID_WRITE, AFTER_TRACKS, AFTER_MOTIONS, AFTER_VIDEOS)
"""Where a shard's commit can die."""

BEFORE_RUN = "before_run"
"""A run's row is made, nothing of it is written; the table may be new."""
AFTER_RUN = "after_run"
"""The row of a run is committed, but nobody was told."""

RUN_POINTS = (BEFORE_RUN, MID_WRITE, AFTER_RUN)
"""Where the commit of a run's row can die."""

AFTER_STAGED = "after_staged"
"""A shard of new labels is kept aside; no table knows of it."""
AFTER_RECIPE = "after_recipe"
"""The data set has its new recipe, the motions still have their old labels."""
AFTER_LABELS = "after_labels"
"""The motions have their new labels, the store's version is the old one."""
AFTER_VERSION = "after_version"
"""The new labels are a version of the store, but nobody was told."""

RELABEL_POINTS = (AFTER_STAGED, MID_WRITE, AFTER_RECIPE, AFTER_LABELS, AFTER_VERSION)
"""Where labelling anew can die."""

_passed: Counter[str] = Counter()


def die_at(point: str) -> None:
    """Kill this process if the environment names this point.

    Raises:
        ValueError: The environment names a point that does not exist; a test that believes it
            kills must not pass because of a spelling mistake.
    """
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    name, _, nth = wanted.partition(":")
    known = sorted({*POINTS, *RUN_POINTS, *RELABEL_POINTS})
    if name not in known:
        raise ValueError(f"{VARIABLE}={wanted!r}: no such point; there are {', '.join(known)}")
    _passed[point] += 1
    if point == name and _passed[point] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
