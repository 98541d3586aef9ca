"""`crossdiff relabel`, `decide` and `ingest --only-2d`, as a user types them."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from motion_store import make_store
from tiny_generator import tiny_checkpoint

from flows.begin import begin
from flows.cli import main
from flows.options import IngestOptions
from flows.shard import process_shard
from models.checkpoint import SHIPPED, Checkpoint, load_checkpoint, save_checkpoint
from models.lifting.label_config import LabelConfig, relabelled_settings
from models.lifting.pseudo_label import label_stored_view
from pipeline.skeletons import HUMANML3D, KIT
from storage.arrow_rows import from_arrow
from storage.recipes import all_recipes
from storage.rows import MotionRow
from storage.schemas import MOTIONS
from storage.store import Store, open_store
from storage.versions import newest_version


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Store:
    torch.set_num_threads(1)
    return make_store(tmp_path_factory.mktemp("truth"), samples)


@pytest.fixture
def store(truth: Store, tmp_path: Path) -> Store:
    shutil.copytree(truth.location.path, tmp_path / "store")
    return open_store(tmp_path / "store")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    save(tiny_checkpoint(), folder)
    return folder


def save(made: Checkpoint, folder: Path) -> None:
    parts = (made.network, made.statistics, made.skeleton)
    save_checkpoint(folder, *parts, masks_padding=made.masks_padding, about={})


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments]) == 2
    *progress, said = capsys.readouterr().err.splitlines()
    assert said.startswith("crossdiff: ") and all(
        "motion/s" in line or not line for line in progress
    )
    return said


def motions(store: Store) -> dict[str, MotionRow]:
    rows = from_arrow(open_store(store.location.root).snapshot(MOTIONS.name).read(), MotionRow)
    return {row.motion_id: row for row in rows}


def relabel(store: Store, checkpoint: Path, *more: str) -> list[str]:
    where = ["--store", store.location.root, "--dataset", "samples"]
    return ["relabel", *where, "--checkpoint", str(checkpoint), *more]


def test_the_stored_views_are_lifted_by_the_checkpoint(
    store: Store, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = motions(store)
    done = told(capsys, *relabel(store, checkpoint, "--shard-size", "2"))
    assert (done["changed"], done["motions"], done["checkpoint_id_before"]) == (
        True, 3, "none-of-ours",
    )  # fmt: skip
    assert done["version"] == newest_version(store.location).videos == 2
    loaded = load_checkpoint(checkpoint)
    for name, row in motions(store).items():
        label = label_stored_view(row.view2d, row.joint_mask, loaded, LabelConfig())
        assert row.joints3d is not None and row.joints3d.shape == before[name].joints3d.shape
        np.testing.assert_array_equal(row.joints3d, label.joints3d)
        np.testing.assert_array_equal(row.features3d, label.features3d)
        assert row.quality_reprojection_error == pytest.approx(label.quality.reprojection_m)
        assert row.lineage.checkpoint_id == loaded.checkpoint_id == done["checkpoint_id"]
        assert row.captions == before[name].captions
    assert told(capsys, *relabel(store, checkpoint))["changed"] is False


def test_smoothing_is_part_of_the_recipe(
    store: Store, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, *relabel(store, checkpoint, "--one-euro"))["motions"] == 3
    recipe = all_recipes(open_store(store.location.root))["samples"]
    assert recipe["config"]["one_euro"] is True
    assert recipe["config"]["cleaning"] == {"fps": 20.0}
    smooth = motions(store)
    assert told(capsys, *relabel(store, checkpoint))["motions"] == 3
    rough = motions(store)
    assert all((smooth[name].joints3d != rough[name].joints3d).any() for name in smooth)


def test_a_store_without_the_estimators_3d_is_labelled_without_it_and_that_is_said(
    store: Store, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = relabel(store, checkpoint, "--preset", "wild")
    assert main(where) == 0
    assert "3 motions have no second opinion in them" in capsys.readouterr().out
    assert all(row.second_opinion is None for row in motions(store).values())
    assert told(capsys, *where)["without_opinion"] == 3
    assert told(capsys, *relabel(store, checkpoint, "--preset", "paper"))["without_opinion"] is None


def test_what_cannot_be_relabelled_is_one_sentence(
    store: Store, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = newest_version(store.location).videos
    kit = tmp_path / "kit"
    save(tiny_checkpoint(KIT), kit)
    url = store.location.root
    assert "lifts kitml21" in refused(capsys, *relabel(store, kit))
    assert "is not a checkpoint" in refused(capsys, *relabel(store, tmp_path))
    assert "--shard-size" in refused(capsys, *relabel(store, checkpoint, "--shard-size", "0"))
    other = ["relabel", "--store", url, "--dataset", "nobody", "--checkpoint", str(checkpoint)]
    assert "no data set 'nobody'" in refused(capsys, *other)
    old = ["relabel", "--store", f"{url}@1", "--dataset", "samples"]
    assert "leave @VERSION out" in refused(capsys, *old, "--checkpoint", str(checkpoint))
    assert "no store" in refused(capsys, *[a.replace(url, url + "x") for a in other])
    assert not Path(url + "x").exists()
    assert newest_version(store.location).videos == version


def test_a_verdict_is_recorded_and_listed(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, _ = sorted(motions(store))
    url = store.location.root
    said = ["--keep", "--caption", "a person turns over", "someone tumbles", "--by", "ada"]
    assert told(capsys, "decide", first, second, "--store", url, *said)["recorded"] == 2
    told(capsys, "decide", second, "--store", url, "--drop", "--note", "<b>legs</b> swap")
    rows = told(capsys, "ls", "--store", url, "--motions")["rows"]
    verdicts = {row["motion_id"]: row["verdict"] for row in rows}
    assert [verdicts[first], verdicts[second]] == ["keep", "drop"]
    assert list(verdicts.values()).count(None) == 1
    assert main(["ls", "--store", url, "--motions"]) == 0
    assert "verdict" in capsys.readouterr().out.splitlines()[0]


def test_what_cannot_be_decided_is_one_sentence(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    first, url = min(motions(store)), store.location.root
    assert "contradict" in refused(capsys, "decide", first, "--store", url, "--keep", "--drop")
    assert "nothing is decided" in refused(capsys, "decide", first, "--store", url)
    assert "no motion 'x'" in refused(capsys, "decide", first, "x", "--store", url, "--keep")
    assert "which motions" in refused(capsys, "decide", "--store", url, "--keep")
    with pytest.raises(SystemExit):
        main(["decide", first, "--store", url, "--split", "training"])
    assert "train" in capsys.readouterr().err


def test_a_recipe_names_only_2d_only_where_it_is_so() -> None:
    """Recipes from before the option existed must stay what they are."""
    assert "only_2d" not in LabelConfig().settings()
    bare = LabelConfig(only_2d=True).settings()
    assert bare["only_2d"] is True
    assert relabelled_settings(bare, one_euro=False) == LabelConfig().settings()
    assert relabelled_settings(bare, one_euro=True) == LabelConfig(one_euro=True).settings()
    with pytest.raises(ValueError, match="leave one out"):
        LabelConfig(only_2d=True, one_euro=True)


def first_frames(clip: Path, path: Path, frames: int) -> Path:
    """The beginning of a clip, played slower: half the pictures are half the time."""
    reader = cv2.VideoCapture(str(clip))
    ok, frame = reader.read()
    assert ok
    size = (frame.shape[1], frame.shape[0])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15.0, size)
    for _ in range(frames):
        writer.write(frame)
        ok, frame = reader.read()
        assert ok
    writer.release()
    return path


def test_videos_become_motions_of_2d_alone_that_every_command_copes_with(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = next((videos / "Cartwheel").glob("*.avi"))
    url, clips = str(tmp_path / "store"), str(first_frames(source, tmp_path / "clip.avi", 40))
    options = IngestOptions(clips, "samples", url, SHIPPED, label=LabelConfig(only_2d=True))
    process_shard(options, "s1", begin(options).pending)
    (row,) = motions(open_store(url)).values()
    assert (row.joints3d, row.features3d, row.feature_mask3d) == (None, None, None)
    assert row.lineage.checkpoint_id is None and row.quality_reprojection_error is None
    assert row.view2d.shape == (row.n_frames, HUMANML3D.n_joints, 2)
    film = tmp_path / "film.mp4"
    told(capsys, "show", row.motion_id, "--store", url, "--out", str(film))
    assert film.stat().st_size > 0
    told(capsys, "report", "--store", url, "--out", str(tmp_path / "report.html"))
    looked = told(capsys, "evaluate", "wild", "--data", url)
    assert any("1 of 1 motions have no label" in said for said in looked["warnings"])
    assert looked["inputs"][0]["coverage"] == 0
    again = ["ingest", clips, "--dataset", "samples", "--out", url]
    assert "only_2d was true" in refused(capsys, *again, "--checkpoint", str(SHIPPED))
    assert "only_2d was true" in refused(capsys, *again, "--refine", "on")
    assert told(capsys, *again)["labels"] == "paper, 2D only", "what is not said is the data set's"
    assert "leave --checkpoint out" in refused(capsys, *again, "--only-2d", "--checkpoint", "x")
    assert "leave one out" in refused(capsys, *again, "--only-2d", "--one-euro")
    assert main([*again, "--only-2d"]) == 0, "nothing is new"
    anew = ["--label-2d-only", "--preset", "wild"]
    done = told(capsys, *relabel(open_store(url), SHIPPED, *anew))
    assert (done["motions"], done["unscored"], done["without_opinion"]) == (1, 0, 0)
    (row,) = motions(open_store(url)).values()
    # Nobody could judge perspective while there was no 3D: the track remembers the picture.
    assert 0 < row.perspective_error < 0.3 and 0 < row.label_score < 1
    assert row.second_opinion == 1.0
