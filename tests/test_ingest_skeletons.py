"""`crossdiff ingest ucf101_2d.pkl`: tracks without video, labelled like any other."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skeleton_files
import storage_shards
from ingest_here import DATASET, Here, ingest_here, options_for
from truth_clips import all_truth_clips

from flows.begin import begin
from flows.commands.ingest import ingest
from flows.ingest import ShardJob
from flows.options import IngestOptions, PoseOptions
from flows.shard import process_shard
from flows.show import show_motion
from models.lifting.label_config import LabelConfig
from models.lifting.label_wish import LabelWish
from storage import fault
from storage.arrow_rows import same_content
from storage.catalog import get_motion, list_motions, list_videos
from storage.errors import RecipeMismatch
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.source_video import find_source
from storage.store import open_store

SIZE = (320, 240)
FPS = 25.0
NAMES = ("JumpingJack", "SitDown", "Cartwheel")
CLASSES = "jumping jack\nsit down\ncartwheel\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def person_of(action: str) -> tuple[np.ndarray, np.ndarray]:
    """A sample clip's own 2D, with a detector's scores."""
    joints = all_truth_clips()[action].coco17
    return joints.astype(np.float16), np.full(joints.shape[:2], 0.9, np.float16)


def annotations() -> list[dict[str, Any]]:
    """The samples, a copy under another name, one without keypoints, one in which nobody is."""
    clips = [
        skeleton_files.annotation(f"v_{name}_g{k + 1:02d}_c01", [person_of(name)], SIZE, k)
        for k, name in enumerate(NAMES)
    ]
    joints, scores = person_of("SitDown")
    return [
        *clips,
        {**clips[1], "frame_dir": "v_SitDown_g02_c09"},
        {"frame_dir": "S001C001P001R001A002", "label": 2, "img_shape": SIZE[::-1]},
        skeleton_files.annotation("S001C001P001R001A003", [(joints, 0 * scores)], SIZE, 2),
    ]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("skeletons") / "ucf101_2d.pkl"
    split = {"train1": ["v_JumpingJack_g01_c01", "v_SitDown_g02_c01"], "test1": ["nobody"]}
    return skeleton_files.write(place, annotations(), split, protocol=2)


@pytest.fixture(scope="module")
def made(file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Here]:
    store = tmp_path_factory.mktemp("made") / "store"
    return store, ingest_here(options_for(file, store))


def test_every_annotation_has_one_row(made: tuple[Path, Here], file: Path) -> None:
    store, here = made
    rows = {row["name"]: row for row in list_videos(open_store(store)).to_pylist()}
    named = [name for row in rows.values() for name in (row["name"], *row["aliases"])]
    assert sorted(named) == sorted(a["frame_dir"] for a in annotations())
    summary = here.summary
    assert (summary.found, summary.duplicates, summary.processed, summary.ok) == (6, 1, 5, 3)
    assert summary.failures_by_reason == {"bad_record": 1, "no_person": 1}
    bad = rows["S001C001P001R001A002"]
    assert (bad["status"], bad["detail"]) == ("failed", "it has no array 'keypoint'")
    assert bad["action"] == "class2"  # no name says it: its number is kept
    jump = rows["v_JumpingJack_g01_c01"]
    frames = len(all_truth_clips()["JumpingJack"].coco17)
    expected = {"action": "JumpingJack", "group": "01", "clip": "01", "decoder": "skeletons",
                "fps": FPS, "frames_decoded": frames, "duration_s": frames / FPS, "width": 320,
                "height": 240, "path": str(file), "motions": 1, "status": "ok"}  # fmt: skip
    assert {name: jump[name] for name in expected} == expected
    assert len(jump["video_hash"]) == 64
    assert rows["v_SitDown_g02_c01"]["aliases"] == ["v_SitDown_g02_c09"]


def test_tracks_are_the_file_s_and_labels_are_those_of_any_2d(made: tuple[Path, Here]) -> None:
    store = open_store(made[0])
    motions = {row["action"]: row for row in list_motions(store).to_pylist()}
    assert sorted(motions) == sorted(NAMES)
    for row in motions.values():
        record = get_motion(store, row["motion_id"])
        motion, track, clip = record.motion, record.track, all_truth_clips()[row["action"]]
        assert track is not None
        assert (track.joint_set, track.frame_width, track.frame_height) == ("coco17", *SIZE)
        np.testing.assert_allclose(track.times, np.arange(len(clip.coco17)) / FPS)
        inside = track.confidence > 0
        exact = clip.coco17.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(track.joints[inside], exact[inside])
        assert motion.joints3d is not None
        assert motion.n_frames > 60
        assert row["quality_reprojection_error"] < 0.1
        feet = [10, 11]  # COCO has none: what the lift makes of them is a guess, and said to be
        assert not motion.joint_mask[:, feet].any()
        assert motion.lineage.estimator_id == "skeleton-file-coco17"


def test_it_is_known_again_however_it_is_written(
    made: tuple[Path, Here], tmp_path: Path, file: Path
) -> None:
    other = skeleton_files.write(tmp_path / "again.pickle", annotations(), protocol=5)
    plan = begin(options_for(other, made[0]))
    assert (plan.found, plan.known, plan.pending) == (6, 6, ())
    with pytest.raises(RecipeMismatch, match=r"skeleton_fps was 25.0 and is now 30.0"):
        begin(options_for(file, made[0], skeleton_fps=30.0))
    with pytest.raises(RecipeMismatch, match="estimator_id was"):
        begin(options_for(all_truth_clips()["SitDown"].video, made[0]))


def test_class_names_and_fps_are_the_user_s(file: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text(CLASSES)
    options = options_for(
        file, tmp_path / "store", classes=names, skeleton_fps=50.0,
        label=LabelConfig(only_2d=True),
    )  # fmt: skip
    here = ingest_here(options)
    assert here.summary.failures_by_reason["too_short"] == 1  # at 25 it is not
    rows = list_videos(open_store(options.out)).to_pylist()
    assert {row["action"] for row in rows} == set(CLASSES.split("\n")[:-1])
    assert {row["fps"] for row in rows if row["decoder"]} == {50.0}
    names.write_text("one\ntwo\n")
    with pytest.raises(ValueError, match=r"2 names.*class 2"):
        begin(options)


def test_a_killed_run_is_finished_by_the_next(
    made: tuple[Path, Here], file: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    elsewhere = Path(__file__).with_name("ingest_elsewhere.py")
    paths = os.pathsep.join(map(str, (elsewhere.parent, elsewhere.parent.parent)))
    killed = subprocess.run(
        [sys.executable, str(elsewhere), str(file), str(store)],
        env={**os.environ, fault.VARIABLE: fault.AFTER_MOTIONS, "PYTHONPATH": paths},
        timeout=120, check=False, capture_output=True,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list_videos(open_store(store)).num_rows == 0
    assert ingest_here(options_for(file, store)).summary.processed == 5
    for spec in (VIDEOS, TRACKS, MOTIONS):
        here, there = (storage_shards.stored(open_store(s), spec.name) for s in (store, made[0]))
        assert same_content(here, there, spec)
    assert ingest_here(options_for(file, store)).summary.processed == 0


def test_show_says_that_there_is_no_video(made: tuple[Path, Here], tmp_path: Path) -> None:
    store = open_store(made[0])
    motion = list_motions(store).to_pylist()[0]["motion_id"]
    shown = show_motion(str(made[0]), motion, tmp_path / "film.mp4")
    assert (shown["video"], Path(shown["film"]).is_file()) == ("none", True)
    assert "there is no video" in shown["note"]
    assert "ucf101_2d.pkl" in shown["note"]
    assert find_source(get_motion(store, motion).video).never == "from a skeleton file"


def test_a_file_that_changes_or_is_fresh_is_left(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.pkl"
    copy.write_bytes(file.read_bytes())
    (left,) = begin(options_for(copy, tmp_path / "store", settle_s=60.0)).left
    assert "may still be being written" in str(left)
    options = options_for(copy, tmp_path / "store")
    ((name, clips),) = begin(options).shards(8)
    copy.write_bytes(file.read_bytes() + b"x")
    counts = process_shard(options, name, clips)
    assert counts.videos == 1  # the one without keypoints needs nothing of the file
    assert len(counts.left) == 4


def test_workers_get_places_in_the_file_and_a_limit_by_what_they_read(file: Path) -> None:
    plan = begin(options_for(file, file.parent / "store"))
    ((name, clips),) = plan.shards(64)
    job = ShardJob(options_for(file, "x"), name, clips)
    shapes = [clip.skeleton.frames for clip in clips if clip.skeleton is not None]
    assert job.limit_s < 3600
    assert sum(clip.size_bytes for clip in clips) == sum(shapes) * 17 * 3 * 2
    assert "array" not in repr(job)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pose": PoseOptions(backend="mmpose")}, "brings its own 2D"),
        ({"skeleton_fps": 0.0}, "--fps must be positive"),
        ({"videos": "clip.avi", "skeleton_fps": 30.0}, "--fps and --classes are for skeleton"),
        ({"videos": "clip.avi", "classes": Path("x")}, "--fps and --classes are for skeleton"),
        ({"videos": "none.pkl"}, "does not exist"),
        ({"classes": Path("none.txt")}, "cannot be read as text"),
    ],
)
def test_wrong_options_are_refused(
    file: Path, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    given = {"videos": str(file), "dataset": DATASET, "out": str(tmp_path), **options}
    with pytest.raises(ValueError, match=said):
        begin(IngestOptions(checkpoint=options_for("", "").checkpoint, **given))


def test_the_command_passes_them_on(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    class Seen(Exception):  # noqa: N818
        pass

    def look(options: IngestOptions, wish: LabelWish) -> None:
        raise Seen(options)

    monkeypatch.setattr("flows.run_ingest.run_ingest", look)
    with pytest.raises(Seen) as seen:
        ingest(str(file), dataset="x", out="s", fps=30.0, classes=Path("c.txt"))
    (options,) = seen.value.args
    assert (options.skeleton_fps, options.classes) == (30.0, Path("c.txt"))
    with pytest.raises(Seen) as seen:
        ingest(str(file), dataset="x", out="s")
    assert seen.value.args[0].skeleton_fps == FPS


def test_what_needs_pictures_is_said_to_do_nothing(file: Path, tmp_path: Path) -> None:
    plan = begin(options_for(file, tmp_path / "s", label=LabelConfig(shots=True, camera=True)))
    assert plan.warnings == (
        "ucf101_2d.pkl has no pictures: --shots and --camera could do nothing",
    )
