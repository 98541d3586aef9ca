"""Evaluation in the wild: what coverage and reprojection must be where the answer is known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from motion_store import make_store
from no_prefect import without_prefect
from synthetic_motion import random_motion, random_motions
from training_victim import TINY_NETWORK

from flows.cli import main
from flows.evaluation_page.wild_section import wild_sections
from models.checkpoint import Checkpoint, save_checkpoint
from models.data.motion import Motion
from models.data.training_data import training_statistics
from models.evaluation.wild import STORED, evaluate_wild, lift_anew, stored_label
from models.evaluation.wild_examples import wild_examples
from models.evaluation.wild_report import REPROJECTION, REPROJECTION_SHARE, WILD_FIGURES
from models.lifting.lift import lift
from models.network import CrossDiff
from pipeline.body_scale import BODY_HEIGHT_M
from pipeline.canonical import canonicalise
from pipeline.normalisation import Statistics
from pipeline.person_frames import (
    PersonFrames,
    SeenPerson,
    SeenVideo,
    Span,
    count_person_frames,
)
from pipeline.representation2d import features_from_view
from pipeline.skeletons import HUMANML3D, KIT
from pipeline.views import UNITS_PER_METRE, project_view
from storage.seen_videos import pseudo_datasets, seen_videos
from storage.store import create_store, open_store


def times(first: float, frames: int, fps: float = 20.0) -> np.ndarray:
    return first + np.arange(frames) / fps


def motion(number: int, azimuth: float = 40.0, **fields: object) -> Motion:
    """A motion with its own true projection as the 2D that was seen."""
    joints = canonicalise(random_motion(number, 50, turns=0.2), HUMANML3D).astype(np.float32)
    return Motion(
        motion_id=f"w{number}", split="train", joints=joints, captions=(),
        embeddings=np.zeros((0, 0), np.float32), action="walk" if number % 2 else "jump",
        view=project_view(joints, azimuth), joint_mask=np.ones(joints.shape[:2], np.bool_),
    )  # fmt: skip


MOTIONS = [motion(n) for n in range(4)]
VIDEOS = [
    SeenVideo("walk", "", (SeenPerson(times(0, 100), True, (Span(1.0, 40, 20.0),)),)),
    SeenVideo("jump", "no_person", (SeenPerson(times(0, 10), True),)),
]


def evaluated(motions=MOTIONS, makers=None, videos=VIDEOS, confidence=None):
    given = makers or {STORED: stored_label}
    sure = {"w0": 0.5, "w1": 0.9} if confidence is None else confidence
    return evaluate_wild(motions, videos, sure, given, HUMANML3D, lambda m, _: m)


def row_of(report, maker=STORED, group=""):
    (row,) = [r for r in report.labels if (r.maker, r.group) == (maker, group)]
    return row


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    network = CrossDiff(TINY_NETWORK).eval()
    statistics = training_statistics(random_motions([60, 60]))
    return Checkpoint(network, statistics, HUMANML3D, "t", True)


def test_one_persons_motions_do_not_label_anothers_frames() -> None:
    span = (Span(0.0, 40, 20.0),)
    one = SeenPerson(times(0, 40), True, span)
    two = SeenPerson(times(0, 40), True)
    found = count_person_frames(SeenVideo("a", "", (one, two)))
    assert (found.seen, found.chosen, found.labelled) == (80, 80, 40)


def test_person_frames_count_whoever_was_seen_and_what_lies_in_a_motion() -> None:
    other = SeenPerson(times(0, 30), False)
    spans = (Span(0.5, 10, 20.0), Span(3.0, 40, 20.0))
    kept = SeenPerson(np.concatenate([times(0, 20), times(2, 60)]), True, spans)
    found = count_person_frames(SeenVideo("a", "", (other, kept)))
    # Frames 10..19 of the first second; 3.0 s to 4.95 s of the second stretch, which ends there.
    assert found == PersonFrames(seen=110, chosen=80, labelled=10 + 40)
    assert found.coverage == pytest.approx(50 / 110)
    assert found.coverage_of_chosen == pytest.approx(50 / 80)


def test_frames_at_another_rate_are_counted_as_they_were_seen() -> None:
    """25 fps under a motion at 20 fps of the same two seconds."""
    person = SeenPerson(times(0, 50, 25.0), True, (Span(0.0, 40, 20.0),))
    found = count_person_frames(SeenVideo("a", "", (person,)))
    assert found == PersonFrames(50, 50, 50)
    nobody = count_person_frames(SeenVideo("a", "no_person", ()))
    assert (nobody, nobody.coverage, nobody.coverage_of_chosen) == (PersonFrames(), None, None)
    # Someone else in the picture does not become motion by being there at the time.
    other = SeenPerson(times(0, 50, 25.0), False, (Span(0.0, 40, 20.0),))
    passed = count_person_frames(SeenVideo("a", "", (other,)))
    assert passed.labelled == 0


def test_a_label_that_made_the_view_reprojects_onto_it() -> None:
    found = row_of(evaluated()).scores
    assert found[REPROJECTION].mean < 0.01  # the camera is not quite orthographic
    share = 100 * found[REPROJECTION].mean / BODY_HEIGHT_M
    assert found[REPROJECTION_SHARE].mean == pytest.approx(share)
    assert set(found) == set(WILD_FIGURES) - {"foot_skating"}, "its feet never stand"


def test_a_joint_that_is_off_in_the_picture_is_off_by_as_much() -> None:
    one = motion(1)
    assert one.view is not None
    view = one.view.copy()
    view[:, 15, 1] += 0.21 * UNITS_PER_METRE  # the head 21 cm higher than the label has it
    raised = row_of(evaluated([replace(one, view=view)])).scores[REPROJECTION].mean
    clean = row_of(evaluated([one])).scores[REPROJECTION].mean
    assert raised - clean == pytest.approx(0.21 / 21, abs=0.002)
    seen = np.ones(view.shape[:2], np.bool_)
    seen[:, 15] = False
    masked = replace(one, view=view, joint_mask=seen)
    assert row_of(evaluated([masked])).scores[REPROJECTION].mean == pytest.approx(clean, abs=1e-3)


def test_without_a_known_video_every_motion_counts_alone() -> None:
    report = evaluated()
    by_motion = [report.figures[STORED][m.motion_id]["jitter"] for m in MOTIONS]
    whole, walks = row_of(report).scores["jitter"], row_of(report, group="walk").scores["jitter"]
    assert whole.mean == pytest.approx(np.mean(by_motion))
    assert whole.half_width == pytest.approx(3.182446 * np.std(by_motion, ddof=1) / 2)  # t(3)
    assert (whole.n, walks.n) == (4, 2)
    assert walks.mean == pytest.approx(np.mean(by_motion[1::2]))


def test_clips_of_one_video_are_one_measurement() -> None:
    """Three copies of a motion say no more than one does."""
    first, second = (replace(motion(n), source_hash=f"v{n}") for n in (1, 3))
    copies = [replace(first, motion_id=f"copy{n}") for n in range(3)]
    lone, many = evaluated([first, second]), evaluated([*copies, second])
    assert row_of(many).scores == row_of(lone).scores
    assert (row_of(many).motions, row_of(many).videos) == (4, 2)
    assert row_of(many).scores["jitter"].n == 2
    one = row_of(evaluated(copies), group="walk")
    assert (one.videos, one.scores["jitter"].half_width) == (1, None)
    (row, *_) = many.to_json()["labels"]
    assert (row["motions"], row["videos"], row["jitter"]["n"]) == (4, 2, 2)
    table = wild_sections(many, (), 20.0)[0].tables[0]
    assert "Student's t over videos" in table.note and table.rows[0][1:3] == (4, 2)


def test_labels_that_glide_have_no_skating_and_it_is_said() -> None:
    still = np.repeat(motion(0).joints[:1], 50, axis=0)
    gliding = still + np.arange(50, dtype=np.float32)[:, None, None] * np.float32([0.1, 0.0, 0.0])
    report = evaluated([replace(motion(0), joints=gliding), replace(motion(1), joints=still)])
    assert "foot_skating" not in report.figures[STORED]["w0"]
    assert report.figures[STORED]["w0"]["skating_ratio"] == 100.0
    assert row_of(report).scores["foot_skating"].values == (0.0,)
    assert report.warnings == (
        "in 1 of 2 motions of stored labels no foot stands: they are not in the mean of skating, "
        "see the skating ratio",
    )


def test_inputs_by_class_add_up_to_everything() -> None:
    everything, *classes = evaluated().inputs
    assert [row.group for row in classes] == ["jump", "walk"]
    assert everything.frames == PersonFrames(110, 110, 40)
    assert everything.frames == sum((row.frames for row in classes), PersonFrames())
    assert (everything.videos, everything.failed, everything.motions) == (2, 1, 4)
    assert everything.confidence == pytest.approx(0.7)
    assert classes[0].confidence == pytest.approx(0.5)
    assert evaluated(confidence={}).inputs[0].confidence is None
    assert evaluated().failures == {"no_person": 1}


def test_a_checkpoint_lifts_the_stored_view_with_its_mask(checkpoint: Checkpoint) -> None:
    one = motion(2)
    assert one.view is not None
    anew = lift_anew(checkpoint)
    plain = lift(checkpoint, features_from_view(one.view, HUMANML3D)).joints
    np.testing.assert_array_equal(anew(one), plain)
    seen = np.ones(one.view.shape[:2], np.bool_)
    seen[:, [4, 7, 10]] = False
    masked = replace(one, joint_mask=seen)
    assert not np.allclose(anew(masked), plain, atol=1e-4)
    junk = one.view.copy()
    junk[~seen] = 1e3  # what lies under the mask is nobody's business
    np.testing.assert_array_equal(anew(replace(masked, view=junk)), anew(masked))


def test_changes_are_differences_motion_by_motion(checkpoint: Checkpoint) -> None:
    report = evaluated(makers={STORED: stored_label, "new": lift_anew(checkpoint)})
    (change,) = report.changes
    assert (change.maker, change.motions) == ("new - stored labels", 4)
    for name in set(WILD_FIGURES) - {"foot_skating"}:
        pairs = [
            report.figures["new"][m.motion_id][name] - report.figures[STORED][m.motion_id][name]
            for m in MOTIONS
        ]
        assert change.scores[name].values == pytest.approx(pairs)
    same = evaluated(makers={STORED: stored_label, "copy": stored_label}).changes[0]
    assert {score.mean for score in same.scores.values()} == {0.0}
    shown = wild_examples(MOTIONS, report, {STORED: stored_label, "new": lift_anew(checkpoint)}, 3)
    off = [example.labels[STORED].reprojection_m for example in shown]
    assert off == sorted(off, reverse=True)
    assert {len(label.joints) for label in shown[0].labels.values()} == {49}


def test_what_cannot_be_told_is_said() -> None:
    """2D alone has no stored label; with the root alone in sight there is nothing to compare."""
    flat = replace(motion(0), has_3d=False)
    only_root = np.zeros((50, 22), np.bool_)
    only_root[:, 0] = True
    report = evaluated([flat, replace(motion(1), joint_mask=only_root), motion(2)])
    assert report.warnings[:2] == (
        "1 of 3 motions have no label of stored labels",
        "1 motions show no joint but the root: stored labels have no reprojection error there",
    )
    assert row_of(report).scores[REPROJECTION].n == 1
    assert row_of(report).scores["jitter"].n == 2


@pytest.mark.parametrize("where", ["joints", "view"])
def test_a_motion_with_nan_is_named(where: str) -> None:
    one = motion(3)
    spoilt = np.array(getattr(one, where))
    spoilt[4, 5, 0] = np.nan
    with pytest.raises(ValueError, match="motion w3 holds NaN: ingest its video again"):
        evaluated([motion(0), replace(one, **{where: spoilt})])


def test_nothing_to_look_at_is_refused() -> None:
    with pytest.raises(ValueError, match="no motion from video to look at"):
        evaluated([])
    with pytest.raises(ValueError, match="it is not from video"):
        evaluated([replace(motion(0), view=None)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, samples: Path, checkpoint: Checkpoint) -> Path:
    """A store of three motions and three failures, and a checkpoint, as a user has them."""
    folder = tmp_path_factory.mktemp("wild")
    make_store(folder, samples)
    save_checkpoint(
        folder / "best", checkpoint.network, checkpoint.statistics, HUMANML3D,
        masks_padding=True, about={},
    )  # fmt: skip
    return folder


def test_a_store_tells_who_was_seen_in_every_video(folder: Path) -> None:
    store = open_store(folder / "store")
    assert pseudo_datasets(store) == ["samples"]
    found = seen_videos(store, ["samples"])
    assert sorted(video.reason for video in found.videos) == [
        "", "", "", "no_person", "not_a_video", "not_a_video",
    ]  # fmt: skip
    for video in found.videos:
        counted = count_person_frames(video)
        if video.reason:
            assert counted == PersonFrames()
            continue
        ((span,),) = (person.motions for person in video.persons)
        assert (span.start_s, span.fps) == (0.4, 20.0)
        assert counted.seen == counted.chosen == len(video.persons[0].times)
        # The tracks hold 25 frames a second, the motion 20.
        assert counted.labelled == pytest.approx(span.frames / 20.0 * 25.0, abs=1.5)
    assert list(found.confidence.values()) == pytest.approx([0.9] * 3)
    assert seen_videos(store, ["other"]).videos == ()


@pytest.fixture
def no_prefect(monkeypatch):
    """Measure and publish without a flow run, which has tests of its own."""
    monkeypatch.setattr("flows.evaluate_wild.run_published", without_prefect)


@pytest.mark.usefixtures("no_prefect")
def test_the_command_compares_checkpoints_with_the_stored_labels(folder, tmp_path, capsys):
    best, out = str(folder / "best"), tmp_path / "wild"
    asked = ["--data", str(folder / "store"), "--checkpoint", best, best, "--out", str(out)]
    assert main(["evaluate", "wild", *asked, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    first, second = record["makers"][1:]
    assert record["makers"][0] == STORED and first.endswith("best (1)")
    assert second.endswith("best (2)")
    assert record["checkpoint_ids"][0] == record["checkpoint_ids"][1]
    whole = {row["maker"]: row for row in record["labels"] if row["group"] == ""}
    assert whole[STORED]["motions"] == 3
    assert whole[STORED][REPROJECTION]["mean"] < whole[first][REPROJECTION]["mean"]
    assert whole[first][REPROJECTION] == whole[second][REPROJECTION]
    assert record["failures"] == {"not_a_video": 2, "no_person": 1}
    assert record["store_row"] is True
    page = (out / "report.html").read_text()
    assert "Change against the stored labels" in page
    kept = json.loads((out / "metrics.json").read_text())
    assert kept["metrics"]["labels"] == record["labels"]


def test_the_command_prints_coverage_and_figures(folder, capsys):
    assert main(["evaluate", "wild", "--data", str(folder / "store")]) == 0
    told = capsys.readouterr().out
    assert told.startswith("6 videos, 3 without a motion; 3 motions\nperson-frames: ")
    assert "stored labels, 3 motions of 3 videos" in told


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--split", "test"], "has no motion from video in split test of samples"),
        (["--datasets", "other"], "has no motions of data set other: it has samples"),
        (["--checkpoint", "nowhere"], "nowhere"),
    ],
)
def test_the_command_refuses_in_one_sentence(folder, capsys, arguments, sentence):
    assert main(["evaluate", "wild", "--data", str(folder / "store"), *arguments]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert len(told.splitlines()) == 1


def test_a_checkpoint_of_another_skeleton_is_refused(folder, tmp_path, capsys):
    config = replace(TINY_NETWORK, dim3=KIT.dim3, dim2=KIT.dim2)
    widths = [np.ones(n, np.float32) for n in (KIT.dim3, KIT.dim3, KIT.dim2, KIT.dim2)]
    kit = tmp_path / "kit"
    save_checkpoint(kit, CrossDiff(config), Statistics(*widths), KIT, masks_padding=True, about={})
    store = str(folder / "store")
    assert main(["evaluate", "wild", "--data", store, "--checkpoint", str(kit)]) == 2
    assert "holds humanml3d22 motions, but the checkpoint" in capsys.readouterr().err


def test_a_store_without_video_is_refused(tmp_path, capsys):
    create_store(tmp_path / "store")
    assert main(["evaluate", "wild", "--data", str(tmp_path / "store")]) == 2
    assert "has no motion from video: fill a store with" in capsys.readouterr().err
