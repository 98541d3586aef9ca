"""Opening training sets: what comes back, from which version, what is refused; nothing computed."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mocap_archives as archives
import motion_store
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import storage_shards
from deltalake import write_deltalake
from synthetic_motion import random_motions

import models.data.training_data
from flows.prepare import store_motions
from flows.training_sets import TrainingSet, open_training_set, save_motions
from models.data.motion import Motion
from models.data.motion_files import NEEDED, read_motions
from models.data.training_data import build_bank, training_statistics
from pipeline.skeletons import HUMANML3D, KIT
from storage import fault
from storage.errors import StoreError
from storage.opened import FOLDER
from storage.schemas import DATASETS, MOTIONS, TRACKS, VIDEOS
from storage.store import create_store, open_store

LENGTHS = [24, 31, 45, 20, 38, 27, 33]
SPLITS = ("train", "train", "val", "test", "train", "train", "val")


def motions(prefix: str, lengths: list[int] = LENGTHS) -> list[Motion]:
    """Motions without embeddings, the last one without a caption, with features of their own."""
    out = []
    for i, motion in enumerate(random_motions(lengths)):
        rows = np.random.default_rng(i).normal(size=(len(motion.joints) - 1, 263))
        out.append(
            replace(
                motion,
                motion_id=f"{prefix}{i}",
                split=SPLITS[i % len(SPLITS)],
                captions=tuple(f"{text} {i}" for text in motion.captions),
                tokens=tuple((f"{text}/NOUN",) for text in motion.captions),
                embeddings=np.zeros((0, 0), np.float32),
                features=rows.astype(np.float32),
                source_hash=f"{i:064x}",
                action="walk",
                source="lab",
            )
        )
    return out


def keep(
    url: Path, dataset: str, items: list[Motion], encoder: str = "hashed-1", skeleton=HUMANML3D
) -> None:
    store_motions(
        items,
        str(url),
        dataset,
        encoder=archives.Hashed(encoder),
        skeleton=skeleton,
        config={"reader": "test"},
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    url = tmp_path_factory.mktemp("sets") / "store"
    keep(url, "one", motions("a"))
    keep(url, "two", motions("b", LENGTHS[:4]))
    return url


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "store"))


def everything(opened: TrainingSet) -> dict[str, Motion]:
    return {motion.motion_id: motion for part in opened.motions.values() for motion in part}


def assert_same(ours: Motion, theirs: Motion) -> None:
    for name in ("split", "captions", "tokens", "action", "source", "mirrored", "source_hash"):
        assert getattr(ours, name) == getattr(theirs, name)
    np.testing.assert_array_equal(ours.joints, theirs.joints)
    np.testing.assert_array_equal(ours.features, theirs.features)
    assert ours.has_3d
    assert ours.joint_mask is ours.view is ours.feature_mask is None
    expected = archives.Hashed().encode(ours.captions)
    np.testing.assert_array_equal(ours.embeddings.reshape(expected.shape), expected)


def test_what_was_stored_comes_back(filled: Path) -> None:
    opened = open_training_set(filled, ("train", "val", "test"), ["one"])
    back = everything(opened)
    given = {motion.motion_id: motion for motion in motions("a")}
    assert back.keys() == given.keys()
    for name, motion in back.items():
        assert_same(motion, given[name])
    assert (opened.text_encoder, opened.text_dim, opened.skeleton) == ("hashed-1", 8, HUMANML3D)
    assert opened.lineage["motions"] == {"train": 4, "val": 2, "test": 1}
    assert opened.lineage["recipes"]["one"]["config"]["reader"] == "test"


def test_arrays_are_views_of_the_mapped_files(filled: Path) -> None:
    motions_of_train = open_training_set(filled).motions["train"]
    for name in ("joints", "features", "embeddings"):
        array = getattr(motions_of_train[0], name)
        assert not array.flags.writeable
        assert np.shares_memory(array, getattr(motions_of_train[0], name))
    assert [m.motion_id for m in motions_of_train[1:3]] == ["a1", "a4"]


def test_only_the_asked_splits_and_data_sets_come(filled: Path) -> None:
    assert set(everything(open_training_set(filled, ("test",)))) == {"a3", "b3"}
    assert set(everything(open_training_set(filled, ("val",), ["two"]))) == {"b2"}


def test_opening_computes_no_feature(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("computed again")

    expected = open_training_set(filled).bank("train")
    for name in ("features_from_canonical", "features_from_view", "four_views"):
        monkeypatch.setattr(models.data.training_data, name, forbidden)
    opened = open_training_set(filled)
    bank, statistics = opened.bank("train"), opened.statistics
    assert bank.features3.equal(expected.features3)
    assert statistics.mean2.shape == (134,)


def test_statistics_of_several_data_sets_are_those_of_their_rows_together(filled: Path) -> None:
    for datasets in ([], ["one"], ["two"]):
        opened = open_training_set(filled, ("train", "val"), datasets)
        direct = training_statistics(opened.motions["train"])
        for name, value in opened.statistics.arrays().items():
            np.testing.assert_allclose(value, direct.arrays()[name], atol=1e-5)
    apart = open_training_set(filled, datasets=["one"]).statistics
    assert not np.allclose(apart.mean3, open_training_set(filled).statistics.mean3)


def test_an_older_version_has_its_own_motions_and_statistics(store: Path) -> None:
    before = open_training_set(store, datasets=["one"])
    keep(store, "one", [replace(m, motion_id=f"c{i}") for i, m in enumerate(motions("c"))])
    now = open_training_set(store, datasets=["one"])
    then = open_training_set(f"{store}@{before.lineage['version']}", datasets=["one"])
    assert everything(then).keys() == everything(before).keys() < everything(now).keys()
    assert then.moments is not None
    np.testing.assert_array_equal(then.statistics.mean3, before.statistics.mean3)
    assert then.lineage["table_version"] == before.lineage["table_version"]
    assert now.lineage["version"] > before.lineage["version"]


def test_the_order_does_not_depend_on_how_rows_lie_in_files(tmp_path: Path) -> None:
    for part in (motions("a")[:3], motions("a")[3:]):
        keep(tmp_path / "pieces", "one", part[::-1])
    keep(tmp_path / "whole", "one", motions("a"))
    pieces, whole = (open_training_set(tmp_path / name) for name in ("pieces", "whole"))
    names = [[m.motion_id for m in s.motions["train"]] for s in (pieces, whole)]
    assert names[0] == names[1] == sorted(names[0])
    np.testing.assert_allclose(pieces.statistics.std3, whole.statistics.std3, rtol=1e-6)


def test_embeddings_of_two_encoders_are_refused(store: Path) -> None:
    keep(store, "three", motions("d"), encoder="hashed-2")
    with pytest.raises(ValueError, match=r"different encoders.*hashed-1 \(one, two\).*hashed-2"):
        open_training_set(store)
    assert open_training_set(store, datasets=["three"]).text_encoder == "hashed-2"


def test_two_skeletons_are_refused(store: Path) -> None:
    joints = random_motions([30, 30])[0].joints[:, :21]
    kit = Motion("k", "train", joints, (), np.zeros((0, 0), "f4"), joint_set=KIT.name, fps=12.5)
    keep(store, "kit", [kit], skeleton=KIT)
    with pytest.raises(ValueError, match="humanml3d22 and kitml21"):
        open_training_set(store)
    opened = open_training_set(store, datasets=["kit"])
    assert (opened.skeleton, opened.text_dim, opened.text_encoder) == (KIT, 0, "")
    assert opened.bank("train").features3.shape[2] == 251
    with pytest.raises(ValueError, match="no motion in its val split"):
        opened.bank("val")


def test_what_is_not_there_is_told_in_a_sentence(filled: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no motions of data set three: it has one, two"):
        open_training_set(filled, datasets=["three"])
    with pytest.raises(StoreError, match="no such folder"):
        open_training_set(tmp_path / "nothing")
    with pytest.raises(StoreError, match="has no version 99"):
        open_training_set(f"{filled}@99")
    create_store(tmp_path / "empty")
    with pytest.raises(ValueError, match="holds no motions"):
        open_training_set(tmp_path / "empty")


def opened_files(store: Path) -> list[Path]:
    return sorted((store / FOLDER).rglob("*.arrow"))


def test_mapped_copies_are_only_copies(store: Path) -> None:
    """Missing, damaged or cut ones are made again."""
    expected = {motion.motion_id: motion for motion in motions("a")}
    first, second = opened_files(store)
    first.write_bytes(b"no such thing")
    second.write_bytes(second.read_bytes()[: second.stat().st_size // 2])
    for _ in range(2):
        back = everything(open_training_set(store, ("train", "val", "test"), ["one"]))
        for name, motion in expected.items():
            assert_same(back[name], motion)
        shutil.rmtree(store / FOLDER)


def test_a_store_that_cannot_be_written_opens_all_the_same(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(store / FOLDER)
    (store / FOLDER).write_text("a file stands in the way of the folder")
    assert len(everything(open_training_set(store))) == 9


def test_copies_of_replaced_files_are_forgotten(store: Path) -> None:
    stray = opened_files(store)[0].with_name("gone-0.arrow")
    stray.write_bytes(b"")
    keep(store, "one", motions("e", [25, 26]))
    assert not stray.exists()
    assert len(opened_files(store)) == 3


def test_a_plain_file_needs_no_store(filled: Path, tmp_path: Path) -> None:
    opened = open_training_set(filled, ("train", "val", "test"))
    path = tmp_path / "set" / "motions.parquet"
    save_motions(opened, path)
    again = open_training_set(path.parent, ("train", "val", "test"))
    for name, motion in everything(again).items():
        assert_same(motion, everything(opened)[name])
    assert (again.text_encoder, again.text_dim) == ("hashed-1", 8)
    for name, value in again.statistics.arrays().items():
        np.testing.assert_allclose(value, opened.statistics.arrays()[name], atol=1e-5)
    save_motions(opened, path, features=False)
    assert all(motion.features is None for motion in read_motions(path))


def test_a_plain_file_of_the_first_kind_still_opens(filled: Path, tmp_path: Path) -> None:
    path = tmp_path / "motions.parquet"
    opened = open_training_set(filled)
    save_motions(opened, path)
    pq.write_table(pq.read_table(path).select(NEEDED), path)
    again = open_training_set(tmp_path)
    assert everything(again).keys() == everything(opened).keys()
    assert again.text_encoder == "all-MiniLM-L6-v2"
    bank = again.bank("val")
    np.testing.assert_array_equal(
        bank.features3,
        build_bank([replace(m, features=None) for m in opened.motions["val"]], 8).features3,
    )
    with pytest.raises(ValueError, match="no data sets to choose"):
        open_training_set(tmp_path, datasets=["one"])


def test_a_file_that_is_no_training_set_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(ValueError, match="not a Parquet file"):
        open_training_set(path)
    pq.write_table(pa.table({"motion_id": ["a"]}), path)
    with pytest.raises(ValueError, match="columns split, source"):
        open_training_set(path)


def test_labelled_videos_come_with_their_view_and_masks(samples: Path, tmp_path: Path) -> None:
    store = motion_store.make_store(tmp_path, samples)
    opened = open_training_set(store.location.root)
    assert len(opened.motions["train"]) == 3
    for motion in opened.motions["train"]:
        t = len(motion.joints)
        assert motion.view.shape == (t, 22, 2)
        assert motion.joint_mask.shape == (t, 22)
        assert motion.joint_mask.all()
        assert len(motion.captions) == 1
        assert motion.embeddings.shape == (0, 0)
    assert opened.moments is None
    assert opened.statistics.mean3.shape == (263,)
    keep(tmp_path / "store", "one", motions("a"))
    assert len(open_training_set(store.location.root, ("train",)).motions["train"]) == 4
    named = open_training_set(store.location.root, ("train",), ["one", "samples"])
    assert len(named.motions["train"]) == 7


def test_motions_of_a_video_that_is_not_complete_do_not_show(tmp_path: Path) -> None:
    writer = Path(storage_shards.__file__).with_name("storage_writer.py")
    subprocess.run(
        [sys.executable, str(writer), str(tmp_path), "1", "9", "4"],
        env={**os.environ, fault.VARIABLE: f"{fault.AFTER_MOTIONS}:2"},
        check=False,
    )
    stored = storage_shards.stored(open_store(tmp_path), MOTIONS.name)
    opened = open_training_set(tmp_path, ("train", "val", "test"))
    assert 0 < len(everything(opened)) < stored.num_rows
    assert not opened.motions["train"][0].joint_mask.all()
    with pytest.raises(ValueError, match="joints that were not seen"):
        save_motions(opened, tmp_path / "set.parquet")
    assert not (tmp_path / "set.parquet").exists()


def test_a_store_from_before_these_columns_opens(samples: Path, tmp_path: Path) -> None:
    store, older = motion_store.make_store(tmp_path, samples), tmp_path / "older"
    new = ("views2d", "features2d_views", "tokens", "caption_embeddings", "text_encoder",
           "mirrored", "source")  # fmt: skip
    for spec in (DATASETS, TRACKS, MOTIONS, VIDEOS):
        rows = store.snapshot(spec.name).read()
        lost = [n for n in rows.column_names if n.removesuffix("_shape") in new]
        write_deltalake(older / spec.name, rows.drop_columns(lost), partition_by=["dataset"])
    opened = open_training_set(older)
    expected = open_training_set(store.location.root)
    assert everything(opened).keys() == everything(expected).keys()
    np.testing.assert_allclose(opened.statistics.mean3, expected.statistics.mean3)
    keep(older, "one", motions("a"))
    assert len(open_training_set(older, ("train",)).motions["train"]) == 4
