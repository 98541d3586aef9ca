"""What goes beyond the published method, from films to rows: shots, everyone, half bodies, ..."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from cli_runs import Finished, run
from truth_clips import all_truth_clips

from flows.cli import main
from flows.label_warnings import label_warnings
from flows.options import IngestOptions, PoseOptions
from models.checkpoint import Checkpoint, load_checkpoint
from models.checkpoint_id import SHIPPED
from models.lifting.label_config import (
    PRESETS,
    LabelConfig,
    config_of,
    preset_config,
    relabelled_settings,
)
from models.lifting.labelling import ClipResult, label_people
from models.lifting.observing import ObservedClip, observe_clip
from models.lifting.pseudo_label import (
    PseudoLabel,
    SeenView,
    label_stored_view,
    label_view,
    stored_view,
)
from pipeline.plausibility import bone_variation
from pipeline.pose import make_estimator
from pipeline.reasons import Reason
from pipeline.representation3d import recover_all_joints
from pipeline.skeletons import HUMANML3D
from storage.arrow_rows import from_arrow
from storage.recipes import all_recipes
from storage.rows import MotionRow, TrackRow
from storage.store import open_store

FRAMES = 62
"""Of each clip in a film: 2.5 s at 25 frames a second, a motion needs 2.05."""
LEGS = [4, 5, 7, 8, 10, 11]


def pictures(action: str, count: int = FRAMES) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(all_truth_clips()[action].video))
    frames = [capture.read()[1] for _ in range(count)]
    capture.release()
    return frames


def film(path: Path, frames: list[np.ndarray]) -> Path:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.set_num_threads(1)
    return load_checkpoint(SHIPPED)


@pytest.fixture(scope="module")
def cut_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips one after the other: two people, two cameras, one file."""
    frames = pictures("JumpingJack") + pictures("SitDown")
    return film(tmp_path_factory.mktemp("cut") / "v_Two_g01_c01.avi", frames)


@pytest.fixture(scope="module")
def seen(cut_film: Path) -> ObservedClip:
    return observe_clip(cut_film, make_estimator("packaged"), preset_config("wild", {}))


@pytest.fixture(scope="module")
def wild(seen: ObservedClip, checkpoint: Checkpoint) -> ClipResult:
    return label_people(seen, checkpoint, preset_config("wild", {}))


def test_a_cut_parts_two_people_who_are_one_without_it(
    wild: ClipResult, cut_film: Path, checkpoint: Checkpoint
) -> None:
    cut_s = FRAMES / 25.0
    assert [each.person.shot for each in wild.wanted] == [0, 1]
    for each in wild.wanted:
        times = each.person.track.pose.times
        assert (times < cut_s - 1e-6).all() or (times >= cut_s - 1e-6).all()
        assert len(each.motions) == 1
    whole = observe_clip(cut_film, make_estimator("packaged"), LabelConfig())
    assert {person.shot for person in whole.people} == {0}


def test_everything_a_label_says_agrees_with_itself(wild: ClipResult) -> None:
    for motion in wild.motions:
        label = motion.label
        assert label is not None
        again = recover_all_joints(label.features3d, HUMANML3D)
        assert np.abs(again - label.joints3d).max() < 1e-4
        assert label.mask3d.shape == label.features3d.shape
        assert bone_variation(label.joints3d, HUMANML3D) < 0.5  # percent; lifts have about 4
        assert 0 < label.spread_m < 0.2
        assert label.opinion_share == 1.0
        assert label.camera.view_name in {"front", "left", "back", "right", "free"}
        assert 0 < label.perspective_m < 0.3


def test_the_published_path_is_untouched_by_the_options(
    seen: ObservedClip, checkpoint: Checkpoint
) -> None:
    one, two = (label_people(seen, checkpoint, LabelConfig()) for _ in range(2))
    with_score = label_people(seen, checkpoint, LabelConfig(score=True))
    for a, b, c in zip(one.motions, two.motions, with_score.motions, strict=True):
        np.testing.assert_array_equal(a.joints3d, b.joints3d)
        np.testing.assert_array_equal(a.joints3d, c.joints3d)
        assert a.label.score is None and a.label.spread_m is None
        assert c.label.score is not None


def test_guesses_are_lifted_and_not_called_seen(seen: ObservedClip, checkpoint: Checkpoint) -> None:
    strict = LabelConfig(confidence_threshold=0.97)
    plain = label_people(seen, checkpoint, strict)
    bold = label_people(seen, checkpoint, replace(strict, guesses=True))
    assert plain.motions and len(plain.motions) == len(bold.motions)
    guessed = 0
    for few, many in zip(plain.motions, bold.motions, strict=True):
        np.testing.assert_array_equal(few.seen, many.seen)
        np.testing.assert_array_equal(few.label.mask3d, many.label.mask3d)
        there = ~few.seen & (many.view != 0).any(axis=-1)
        assert (few.view[there] == 0).all()
        assert not there.any() or not np.array_equal(few.joints3d, many.joints3d)
        guessed += int(there.sum())
    assert guessed > 20


def test_people_side_by_side_become_motions_of_their_own(
    tmp_path: Path, checkpoint: Checkpoint
) -> None:
    pairs = zip(pictures("JumpingJack"), pictures("SitDown"), strict=True)
    both = film(tmp_path / "both.avi", [np.hstack(pair) for pair in pairs])
    config = LabelConfig(people="all")
    result = label_people(
        observe_clip(both, make_estimator("packaged", people="all"), config), checkpoint, config
    )
    labelled = [each for each in result.wanted if each.motions]
    assert len(labelled) == 2, result.detail
    middles = sorted(float(np.nanmedian(e.person.track.pose.joints[..., 0])) for e in labelled)
    assert middles[0] < 320 < middles[1]
    for each in labelled:
        assert 0 < each.person.part.total < 1


def test_half_a_body_is_labelled_and_its_legs_are_not_claimed(
    tmp_path: Path, checkpoint: Checkpoint
) -> None:
    clip = all_truth_clips()["JumpingJack"]
    waist = int(clip.joints2d[:80, [1, 2], 1].min())
    frames = [np.ascontiguousarray(frame[:waist]) for frame in pictures("JumpingJack", 80)]
    path = film(tmp_path / "half.avi", frames)
    config = LabelConfig(half_bodies=True)
    observed = observe_clip(path, make_estimator("packaged"), config)
    plain = label_people(replace_options(observed), checkpoint, LabelConfig())
    assert plain.reason in {Reason.TOO_FEW_JOINTS, Reason.PERSON_TOO_BRIEF}
    result = label_people(replace_options(observed), checkpoint, config)
    assert result.reason is None, result.detail
    for motion in result.motions:
        assert motion.visible in {"upper", "part"}
        assert not motion.seen[:, LEGS].any()
        assert (motion.confidence[~motion.seen] == 0).all()
        # What a row says of 3D: nothing about legs nobody saw.
        assert motion.label.mask3d.mean() < 0.7


def replace_options(observed: ObservedClip) -> ObservedClip:
    """A copy: labelling keeps nothing of it, and this holds it to that."""
    return replace(observed, people=list(observed.people), seconds=dict(observed.seconds))


def test_presets_and_recipes() -> None:
    assert preset_config("paper", {}) == LabelConfig()
    assert set(LabelConfig().settings()) == {
        "cleaning", "confidence_threshold", "min_person_score", "one_euro",
    }  # fmt: skip
    best = preset_config("wild", {})
    assert config_of(best.settings()) == best
    assert preset_config("wild", {"camera": "off"}) == replace(best, camera=False)
    assert preset_config("wild", {"camera": "preset", "people": "one"}).people == "one"
    bare = preset_config("wild", {"only_2d": True})
    assert bare.only_2d and bare.shots and not bare.refine and bare.ensemble == "none"
    with pytest.raises(ValueError, match="--refine"):
        preset_config("paper", {"only_2d": True, "refine": "on"})
    with pytest.raises(ValueError, match="does not know: jump"):
        config_of({**best.settings(), "jump": True})


def test_relabelling_keeps_how_views_became_3d_unless_told_otherwise() -> None:
    best = preset_config("wild", {})
    kept = config_of(relabelled_settings(best.settings(), one_euro=False))
    assert kept == best
    paper = config_of(relabelled_settings(best.settings(), one_euro=False, preset="paper"))
    assert (paper.ensemble, paper.refine, paper.clean_up, paper.camera) == (
        "none",
        False,
        False,
        True,
    )
    grown = config_of(relabelled_settings(LabelConfig().settings(), one_euro=False, preset="wild"))
    assert (
        grown.refine
        and grown.second_opinion
        and grown.ensemble == PRESETS["wild"]["ensemble"]
        and not grown.camera
    )


def test_a_store_keeps_all_that_a_label_was_made_from_but_one_frame(
    seen: ObservedClip, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SeenView] = []

    def look(view: SeenView, *rest: object) -> PseudoLabel:
        asked.append(view)
        return label_view(view, *rest)

    monkeypatch.setattr("models.lifting.labelling.label_view", look)
    config = preset_config("wild", {"ensemble": "none"})
    motions = label_people(seen, checkpoint, config).motions
    assert len(motions) == len(asked) == 2
    for motion, whole in zip(motions, asked, strict=True):
        again = stored_view(
            motion.view, motion.seen, HUMANML3D, config, confidence=motion.confidence
        )
        last = len(motion.view) - 1  # the row before the frame that is not there
        for name in ("joints", "seen", "anchored", "confidence", "features", "mask"):
            kept, had = (getattr(view, name)[:last] for view in (again, whole))
            np.testing.assert_array_equal(kept, had, err_msg=name)


def test_a_stored_view_is_lifted_as_the_ingest_did(
    wild: ClipResult, checkpoint: Checkpoint
) -> None:
    config = replace(preset_config("wild", {}), second_opinion=False)
    motion = label_people_without_opinion(wild, checkpoint, config)
    for row, label in motion:
        off = np.linalg.norm(row.joints3d - label.joints3d, axis=-1)
        # The ingest saw one frame more than a store keeps.
        assert off[:-8].mean() < 0.03


def label_people_without_opinion(wild, checkpoint, config):
    seen = ObservedClip(wild.info, people=[each.person for each in wild.people])
    for motion in label_people(seen, checkpoint, config).motions:
        yield (
            motion,
            label_stored_view(
                motion.view, motion.seen, checkpoint, config, confidence=motion.confidence
            ),
        )


@pytest.fixture(scope="module")
def default_run(
    cut_film: Path, prefect_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Finished]:
    """An ingest that says nothing of labels."""
    store = tmp_path_factory.mktemp("default") / "store"
    asked = ["ingest", str(cut_film), "--dataset", "two", "--out", str(store), "--json"]
    return store, run(prefect_home, *asked)


@pytest.fixture
def default_store(default_run: tuple[Path, Finished]) -> Path:
    assert default_run[1].status == 0, default_run[1].stderr
    return default_run[0]


def test_the_command_stores_what_the_options_found(
    cut_film: Path, default_run: tuple[Path, Finished], prefect_home: Path
) -> None:
    store, first = default_run
    asked = ["ingest", str(cut_film), "--dataset", "two", "--out", str(store), "--json"]
    assert first.status == 0, first.stderr
    assert first.data["motions"] == 2
    opened = open_store(str(store))
    motions = from_arrow(opened.snapshot("motions").read(), MotionRow)
    tracks = from_arrow(opened.snapshot("tracks").read(), TrackRow)
    assert {(row.shot, row.visible) for row in motions} == {(0, "full"), (1, "full")}
    for row in motions:
        assert 0 < row.label_score < 1 and 0 < row.label_error < 0.3
        assert row.joint_error.shape == (22,) and row.joint_confidence.shape == row.joint_mask.shape
        assert row.view_name and abs(row.view_elevation_deg) <= 35
        assert row.second_opinion == 1.0 and row.quality_spread > 0 and row.perspective_error > 0
        assert 0 < row.person_score < 1
    for row in tracks:
        assert row.camera.shape == (len(row.times), 4) and 0 <= row.camera_quality <= 1
        assert row.world_joints.shape == (*row.confidence.shape, 3)
        assert row.world_joints.dtype == np.float32 and row.pixel_aspect == 1.0
        assert row.chosen == (row.shot in {0, 1} and row.clean_joints is not None)
    assert (first.data["labels"], first.data["continues"]) == ("wild", False)
    other = run(prefect_home, *asked, "--preset", "paper")
    assert other.status == 2
    said = json.loads(other.stdout)["error"]
    assert "another recipe" in said and "camera" in said
    assert "Traceback" not in other.stderr


def test_a_new_data_set_is_wild_and_relabelling_makes_the_same_labels_again(
    default_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(default_store, tmp_path / "store")
    url = str(tmp_path / "store")
    before, recipe = rows_of(url), all_recipes(open_store(url))["two"]
    assert config_of(recipe["config"]) == preset_config("wild", {})
    where = ["relabel", "--store", url, "--dataset", "two", "--checkpoint", str(SHIPPED)]
    assert main([*where, "--preset", "paper"]) == 0
    assert {row.second_opinion for row in rows_of(url).values()} == {None}
    assert main([*where, "--preset", "wild"]) == 0
    assert "no second opinion" not in capsys.readouterr().out
    assert all_recipes(open_store(url))["two"] == recipe, "further ingests go on"
    for name, row in rows_of(url).items():
        was = before[name]
        off = np.linalg.norm(row.joints3d - was.joints3d, axis=-1)
        # The ingest saw one frame more than a store keeps.
        assert off.mean() < 0.006, "metres"
        assert (row.second_opinion, row.perspective_error) == (1.0, was.perspective_error)
        assert row.label_score == pytest.approx(was.label_score, abs=0.01)


def rows_of(url: str) -> dict[str, MotionRow]:
    rows = from_arrow(open_store(url).snapshot("motions").read(), MotionRow)
    return {row.motion_id: row for row in rows}


def test_a_label_without_the_second_opinion_asked_for_is_not_scored_as_if_it_had_one(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        "models.lifting.pseudo_label.load_calibration", lambda *given: asked.append(given)
    )
    view = np.random.default_rng(1).normal(0, 0.3, (8, 22, 2)).cumsum(axis=0).astype(np.float32)
    config = LabelConfig(score=True, second_opinion=True)
    label = label_stored_view(view, np.ones((8, 22), np.bool_), checkpoint, config)
    assert label.score is None and label.opinion_share is None
    assert asked == [(checkpoint.checkpoint_id, "plain", SHIPPED)]


def test_what_will_change_no_label_is_said_before_an_ingest(tmp_path: Path) -> None:
    def said(pose: str = "packaged", videos: str = "film.avi", **changes: str) -> str:
        label = preset_config("wild", changes)
        return " | ".join(
            label_warnings(
                IngestOptions(videos, "d", str(tmp_path), SHIPPED, PoseOptions(pose), label)
            )
        )

    assert said() == ""
    assert "'flip+refine+guesses+second-opinion+body-joints'" in said(ensemble="flip")
    assert said(ensemble="flip", score="off") == ""
    assert "--second-opinion could do nothing" in said("mmpose")
    assert "--body-joints could do nothing" in said("mmpose")
    assert "no score" not in said("mmpose")  # that way was measured too
    assert "--second-opinion could do nothing" in said(videos="ucf101_2d.pkl")
