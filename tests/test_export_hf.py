"""A data set folder in the Hugging Face layout: anything that reads Parquet reads it."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from export_store import CAPTURED, make_export_store

from flows.cli import main
from storage import export_parquet
from storage.catalog import get_motion, list_motions
from storage.columns import SHAPE_SUFFIX
from storage.dataset_card import check_licence
from storage.decisions import Decision, record_decisions
from storage.export_parquet import FRAME_BYTES, exported_schema, plan_shards, write_shard
from storage.export_selection import select_motions
from storage.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Store:
    made = make_export_store(tmp_path_factory.mktemp("hf"), samples)
    record_decisions(made, [
        Decision(motion_id=CAPTURED[0], by="me", captions=("better | <b>words</b>",), split="val"),
    ])  # fmt: skip
    return made


@pytest.fixture(scope="module")
def folder(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "my motions"
    arguments = ["--store", str(store.location.path), "--query", "true", "--license", "CC-BY-4.0"]
    assert main(["export", *arguments, "--format", "hf", "--out", str(out)]) == 0
    return out


def front_matter(folder: Path) -> dict:
    _, matter, _ = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(matter)


def test_no_folder_of_the_machine_is_published():
    config = {"out": "/home/ada/store", "url": "s3://bucket/films", "fps": 20, "of": ["~/x/y.npz"]}
    table = pa.table({"config_json": [json.dumps(config)]})
    told = json.loads(export_parquet._without_places(table).column(0)[0].as_py())
    assert told == {"out": "store", "url": "films", "fps": 20, "of": ["y.npz"]}


def test_every_row_is_there_once_with_all_its_numbers(store, folder):
    files = sorted((folder / "data").iterdir())
    assert [f.name for f in files] == [
        "train-00000-of-00001.parquet", "validation-00000-of-00001.parquet",
    ]  # fmt: skip
    rows = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    assert sorted(rows.motion_id) == sorted(list_motions(store).column("motion_id").to_pylist())
    for row in rows.itertuples():
        wanted = get_motion(store, row.motion_id).motion
        for name in ("view2d", "features2d", "joint_mask", "joints3d", "features3d", "views2d"):
            given, values = getattr(wanted, name), getattr(row, name)
            if given is None:
                assert values is None
                continue
            shape = getattr(row, name + SHAPE_SUFFIX)
            np.testing.assert_array_equal(values.reshape(shape), given)
        assert row.recipe_id == wanted.lineage.recipe_id


def test_captions_and_splits_are_as_decided_and_what_rested_on_others_is_gone(folder):
    rows = pd.read_parquet(folder / "data").set_index("motion_id")
    row = rows.loc[CAPTURED[0]]
    assert list(row.captions) == ["better | <b>words</b>"]
    assert row.split == "val"
    assert row.tokens is None
    assert row.caption_embeddings is None
    other = rows.loc[CAPTURED[1]]
    assert len(other.captions) == len(other.tokens) == 2
    assert len(other.caption_embeddings) == 8


def test_the_card_says_what_the_files_hold(folder):
    told = front_matter(folder)
    assert told["license"] == "cc-by-4.0"
    assert told["pretty_name"] == "my motions"
    (config,) = told["configs"]
    splits = {part["split"]: part["path"] for part in config["data_files"]}
    assert splits == {"train": "data/train-*", "validation": "data/validation-*"}
    info = told["dataset_info"]
    counted = {part["name"]: part["num_examples"] for part in info["splits"]}
    for name, count in counted.items():
        (file,) = folder.glob(splits[name])
        assert pq.read_metadata(file).num_rows == count
        schema = pq.read_schema(file)
        assert schema.names == [feature["name"] for feature in info["features"]]
    kinds = {f["name"]: f.get("dtype") or [f["list"]] for f in info["features"]}
    assert kinds["joints3d"] == ["float32"]
    assert kinds["captions"] == ["string"]
    assert kinds["created_at"] == "timestamp[us, tz=UTC]"
    assert info["download_size"] == sum(f.stat().st_size for f in (folder / "data").iterdir())
    card = (folder / "README.md").read_text()
    assert "| `joints3d` | list of float32 | m | T, J, 3 |" in card
    assert "as named by who exported it" in card
    assert "| action | motions | seconds |" in card
    assert json.loads((folder / "export.json").read_text())["exported"] == sum(counted.values())


def test_shards_have_a_size_and_the_same_plan_every_time(store):
    selection = select_motions(store, query="true")
    frames = {row["motion_id"]: row["n_frames"] for row in selection.rows}
    size = max(frames.values()) * max(FRAME_BYTES.values())
    plan = plan_shards(store, selection, size)
    assert plan == plan_shards(store, selection, size)
    assert len(plan) > 2
    named = [name for shard in plan for _, ids in shard.files for name in ids]
    assert sorted(named) == sorted(frames)
    train = [shard.name for shard in plan if shard.split == "train"]
    assert train == [f"data/train-{i:05d}-of-{len(train):05d}.parquet" for i in range(len(train))]


def test_a_stopped_export_keeps_its_whole_shards(store, monkeypatch, tmp_path):
    written: list[str] = []

    def stops(store, shard, folder, decided):
        if written:
            raise KeyboardInterrupt
        written.append(shard.name)
        return write_shard(store, shard, folder, decided)

    monkeypatch.setattr("flows.export.write_shard", stops)
    asked = ["export", "--store", str(store.location.path), "--query", "true", "--format", "hf"]
    out = tmp_path / "out"
    assert main([*asked, "--out", str(out)]) == 130
    (kept,) = (out / "data").iterdir()
    stamp = kept.stat().st_mtime_ns
    monkeypatch.setattr("flows.export.write_shard", write_shard)
    assert main([*asked, "--out", str(out)]) == 0
    assert kept.stat().st_mtime_ns == stamp
    assert len(pd.read_parquet(out / "data")) == 6


def test_what_is_written_over_leaves_no_row_behind(store, monkeypatch, tmp_path):
    """A reader takes every file of a split: shards of another number would double rows."""
    out = tmp_path / "out"
    asked = ["export", "--store", str(store.location.path), "--format", "hf", "--out", str(out)]
    by_one = partial(plan_shards, shard_bytes=1)
    monkeypatch.setattr("flows.export.plan_shards", by_one)
    assert main([*asked, "--query", "true"]) == 0
    assert len(list((out / "data").iterdir())) == 6
    (out / "data" / "notes.parquet").write_bytes(b"mine")
    monkeypatch.setattr("flows.export.plan_shards", plan_shards)
    assert main([*asked, "--query", "dataset = 'mocap'", "--overwrite"]) == 0
    (out / "data" / "notes.parquet").unlink()
    rows = pd.read_parquet(out / "data").motion_id
    assert sorted(rows) == sorted(CAPTURED)


def test_without_a_licence_the_card_says_so(store, tmp_path, capsys):
    asked = ["--store", str(store.location.path), CAPTURED[0], "--format", "hf", "--json"]
    assert main(["export", *asked, "--out", str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out)["shards"] == [
        "data/validation-00000-of-00001.parquet"
    ]
    assert front_matter(tmp_path / "out")["license"] == "other"
    assert "No licence was named" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("name", ["", "my licence", "x\ny: z", "a" * 99])
def test_a_licence_is_an_identifier(name):
    with pytest.raises(ValueError, match="--license"):
        check_licence(name)


def test_the_schema_is_the_tables_own():
    names = exported_schema().names
    assert "shard_id" not in names
    assert {"motion_id", "joints3d", "joints3d_shape", "label_score", "recipe_id"} <= set(names)
