"""The files on disk: how they are encoded, and that ordinary tools read them without our code."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import storage_shards as samples

from storage.schemas import MOTIONS
from storage.store import Store, open_table

COUNT = 60


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return samples.unbroken(tmp_path_factory.mktemp("store"), range(COUNT))


def leaves(path: str, group: int = 0) -> dict[str, pq.ColumnChunkMetaData]:
    row_group = pq.ParquetFile(path).metadata.row_group(group)
    chunks = [row_group.column(k) for k in range(row_group.num_columns)]
    return {chunk.path_in_schema: chunk for chunk in chunks}


@pytest.mark.parametrize("table", ["tracks", "motions", "videos"])
def test_floats_are_byte_stream_split_and_everything_is_zstd(store: Store, table: str) -> None:
    [path] = open_table(store, table).file_uris()
    for name, chunk in leaves(path).items():
        assert chunk.compression == "ZSTD", name
        is_float = chunk.physical_type in ("FLOAT", "DOUBLE")
        assert ("BYTE_STREAM_SPLIT" in chunk.encodings) == is_float, name
        # Min and max of an array say nothing and cost space.
        assert chunk.is_stats_set == ("list" not in name), name


def test_row_groups_hold_few_whole_motions(store: Store) -> None:
    [path] = open_table(store, "motions").file_uris()
    metadata = pq.ParquetFile(path).metadata
    rows = [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)]
    assert sum(rows) == metadata.num_rows == COUNT * 4 // 5
    assert max(rows) <= MOTIONS.rows_per_group
    assert len(rows) == 2
    low = [leaves(path, k)["motion_id"].statistics.min for k in range(2)]
    assert leaves(path, 0)["motion_id"].statistics.max < low[1], "ids are sorted over row groups"


def test_pandas_reads_the_file_list(store: Store) -> None:
    motions = pd.read_parquet(open_table(store, "motions").file_uris())
    assert len(motions) == COUNT * 4 // 5
    assert set(motions["dataset"]) == {"demo"}
    expected = samples.motion_row(1)
    [row] = motions[motions.motion_id == expected.motion_id].to_dict("records")
    joints = row["joints3d"].reshape(row["joints3d_shape"])
    np.testing.assert_array_equal(joints, expected.joints3d)
    assert list(row["captions"]) == list(expected.captions)
    videos = pd.read_parquet(open_table(store, "videos").file_uris(), columns=["status"])
    assert (videos.status == "failed").sum() == COUNT // 5


def test_pandas_reads_files_of_several_data_sets_at_once(tmp_path: Path) -> None:
    from storage.recipes import register_recipe
    from storage.shards import commit_shard

    store = samples.unbroken(tmp_path, [0, 1])
    register_recipe(store, "second", samples.RECIPE)
    commit_shard(store, samples.shard([1], "second"))
    motions = pd.read_parquet(open_table(store, "motions").file_uris())
    assert motions.groupby("dataset", observed=True).size().to_dict() == {"demo": 2, "second": 1}


def test_duckdb_reads_lists_and_masks(store: Store) -> None:
    expected = samples.motion_row(1)
    files = open_table(store, "motions").file_uris()
    [row] = duckdb.execute(
        "SELECT joints3d[1], len(joints3d), joints3d_shape, list_sum(joint_mask::INT[]), "
        "captions, dataset FROM read_parquet($files, hive_partitioning = true) "
        "WHERE motion_id = $id",
        {"files": files, "id": expected.motion_id},
    ).fetchall()
    assert expected.joints3d is not None
    assert row[0] == pytest.approx(float(expected.joints3d[0, 0, 0]))
    assert row[1] == expected.joints3d.size
    assert tuple(row[2]) == expected.joints3d.shape
    assert row[3] == expected.joint_mask.sum()
    assert row[4] == list(expected.captions)
    assert row[5] == "demo"


def test_the_log_says_what_columns_mean(store: Store) -> None:
    field = open_table(store, "motions").schema().to_arrow().field("joints3d")
    notes = {key.decode(): value.decode() for key, value in field.metadata.items()}
    assert notes == {"comment": "Joints, y up; null when 2D only.", "unit": "m", "shape": "T, J, 3"}


def test_a_data_set_may_be_called_like_a_number(tmp_path: Path) -> None:
    from storage.catalog import list_motions
    from storage.recipes import register_recipe
    from storage.shards import commit_shard

    store = samples.unbroken(tmp_path, [0])
    register_recipe(store, "2024", samples.RECIPE)
    commit_shard(store, samples.shard([0], "2024"))
    assert list_motions(store, dataset="2024").column("dataset").to_pylist() == ["2024"]
    assert list_motions(store).num_rows == 2


def test_a_store_may_lie_in_a_folder_with_quotes_and_brackets(tmp_path: Path) -> None:
    from storage.catalog import get_motion, list_motions
    from storage.rows import motion_id

    store = samples.unbroken(tmp_path / "it's [a] *store?, 100 %", [0, 1])
    assert list_motions(store).num_rows == 2
    assert get_motion(store, motion_id("demo", samples.video_hash(0), 0, 0)).track is not None
