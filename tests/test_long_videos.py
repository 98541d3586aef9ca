"""What a long video may cost in memory, in small; in full: tests/benchmarks/long_video.py."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import storage_shards

from flows.ingest_plan import PlannedClip, plan_of
from models.checkpoint import Checkpoint, load_checkpoint
from models.checkpoint_id import SHIPPED
from models.lifting import lift as lifting
from models.lifting.lift import lift
from models.lifting.observing import _timed
from pipeline.carriers import FrameBatch
from pipeline.pose.protocol import iterate_frames
from pipeline.splits import SHARD_BYTES, shards, shards_by_weight
from pipeline.video.sources import clip_named
from pipeline.video.stamps import Stamp
from storage import datafiles
from storage.schemas import MOTIONS

SIZE = (64, 48)


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    return load_checkpoint(SHIPPED, "cpu")


def frames(count: int) -> Iterator[FrameBatch]:
    for k in range(count):
        times = (16 * k + np.arange(16)) / 20
        yield FrameBatch(times, np.zeros((16, *SIZE[::-1], 3), np.uint8))


def peak_of(batches: int) -> int:
    """Bytes held at most while that many batches pass from the reader to an estimator."""
    waited = {"decode": 0.0}
    tracemalloc.start()
    for _ in iterate_frames(_timed(frames(batches), waited), SIZE):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_frames_pass_and_are_not_kept() -> None:
    one = 16 * SIZE[0] * SIZE[1] * 3
    assert peak_of(60) < peak_of(3) + one


def test_windows_of_a_long_motion_pass_the_network_a_few_at_a_time(
    shipped: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    features = np.cumsum(rng.normal(0, 0.01, (900, 134)), axis=0).astype(np.float32)
    whole = lift(shipped, features)
    assert whole.windows == 6
    given: list[int] = []
    path = shipped.network.path

    def counted(x, *more, **named):
        given.append(len(x))
        return path(x, *more, **named)

    monkeypatch.setattr(shipped.network, "path", counted)
    monkeypatch.setattr(lifting, "WINDOWS_AT_ONCE", 4)
    parts = lift(shipped, features)
    assert given == [4, 2]
    np.testing.assert_allclose(parts.features, whole.features, atol=1e-5)


def clip_of(number: int, size: int) -> PlannedClip:
    return PlannedClip(
        clip_named(f"{number}.avi", Path("x")), f"{number:064d}", stamp=Stamp(size, 0)
    )


def test_a_shard_holds_few_long_videos() -> None:
    clips = [clip_of(n, 1000) for n in range(10)]
    assert [len(part) for _, part in plan_of(clips, frozenset()).shards(8)] == [8, 2]
    long = [clip_of(n, SHARD_BYTES // 3) for n in range(7)]
    huge = [clip_of(9, 5 * SHARD_BYTES)]
    parts = [part for _, part in plan_of(long + huge, frozenset()).shards(8)]
    assert [len(part) for part in parts] == [3, 3, 1, 1]
    assert [clip for part in parts for clip in part] == long + huge
    assert list(shards_by_weight(clips, 4, lambda _: 1, 100)) == list(shards(clips, 4))
    with pytest.raises(ValueError, match="shard-size 0"):
        list(shards_by_weight(clips, 0, lambda _: 1, 1))


def test_long_motions_have_row_groups_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def groups(name: str) -> list[int]:
        storage_shards.unbroken(tmp_path / name, range(6))
        (file,) = (tmp_path / name / MOTIONS.name).rglob("*.parquet")
        meta = pq.read_metadata(file)
        return [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]

    (rows,) = groups("short")
    monkeypatch.setattr(datafiles, "GROUP_BYTES", 1)
    assert groups("long") == [1] * rows
