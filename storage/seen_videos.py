"""What the videos of a store showed, and what was made of it: the facts behind coverage."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from pipeline.arrays import AnyFloat
from pipeline.person_frames import SeenPerson, SeenVideo, Span
from storage.catalog import connect
from storage.errors import told_plainly
from storage.rows import PSEUDO
from storage.store import Store

TRACKS_AT_ONCE = 256
"""Rows of `tracks` in memory: their confidences are arrays."""
_VIDEOS = """
SELECT dataset, video_hash, coalesce(action, ''), coalesce(reason, '') FROM videos
WHERE list_contains($datasets, dataset) ORDER BY dataset, name
"""
_TRACKS = """
SELECT dataset, video_hash, shot, track, chosen, times, confidence FROM tracks
WHERE list_contains($datasets, dataset) ORDER BY dataset, video_hash, shot, track
"""
_SPANS = """
SELECT dataset, video_hash, shot, track, start_s, n_frames, fps FROM motions
WHERE list_contains($datasets, dataset) AND video_hash IS NOT NULL AND start_s IS NOT NULL
AND joints3d_shape IS NOT NULL -- a motion of 2D alone has no label
"""
_CONFIDENCE = """
SELECT motion_id, quality_mean_confidence FROM motions
WHERE list_contains($datasets, dataset) AND quality_mean_confidence IS NOT NULL
"""
_DATASETS = "SELECT DISTINCT dataset FROM motions WHERE source_kind = $kind ORDER BY dataset"

_Key = tuple[str, str]
"""Data set and video hash."""
_Spans = dict[tuple[str, str, int, int], list[Span]]
"""By data set, video hash, shot and track."""


@dataclass(frozen=True)
class SeenVideos:
    """The videos of some data sets."""

    videos: tuple[SeenVideo, ...]
    confidence: dict[str, float]
    """Mean confidence of the 2D estimator by motion id, where it is known."""


def pseudo_datasets(store: Store) -> list[str]:
    """Names of the data sets that hold motions from video.

    Raises:
        StoreError: The store cannot be read.
    """
    with told_plainly(f"read the motions of {store.location}"), connect(store) as connection:
        rows = connection.execute(_DATASETS, {"kind": PSEUDO}).fetchall()
    return [str(name) for (name,) in rows]


def seen_videos(store: Store, datasets: Collection[str]) -> SeenVideos:
    """Every file of some data sets with the persons found in it and the motions made from it.

    Raises:
        StoreError: The store cannot be read.
    """
    wanted = {"datasets": list(datasets)}
    with told_plainly(f"read the tracks of {store.location}"), connect(store) as connection:
        spans: _Spans = {}
        for *person, start_s, frames, fps in connection.execute(_SPANS, wanted).fetchall():
            spans.setdefault((*person,), []).append(Span(start_s, frames, fps))
        persons: dict[_Key, list[SeenPerson]] = {}
        for key, seen in _persons(connection, wanted, spans):
            persons.setdefault(key, []).append(seen)
        videos = tuple(
            SeenVideo(action, reason, tuple(persons.get((dataset, video), ())))
            for dataset, video, action, reason in connection.execute(_VIDEOS, wanted).fetchall()
        )
        confidence = dict(connection.execute(_CONFIDENCE, wanted).fetchall())
    return SeenVideos(videos, confidence)


def _persons(
    connection: duckdb.DuckDBPyConnection, wanted: dict[str, list[str]], spans: _Spans
) -> Iterator[tuple[_Key, SeenPerson]]:
    reader = connection.sql(_TRACKS, params=wanted).to_arrow_reader(TRACKS_AT_ONCE)
    for batch in reader:
        names = zip(*(batch.column(i).to_pylist() for i in range(5)), strict=True)
        times, confidence = (_lists(batch.column(i)) for i in (5, 6))
        for i, (dataset, video, shot, track, chosen) in enumerate(names):
            found = (confidence[i].reshape(len(times[i]), -1) > 0).any(axis=1)
            own = tuple(spans.get((dataset, video, shot, track), ()))
            yield (dataset, video), SeenPerson(times[i][found], bool(chosen), own)


def _lists(column: pa.ListArray) -> list[AnyFloat]:
    return [item.values.to_numpy(zero_copy_only=False) for item in column]
