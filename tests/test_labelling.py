"""One file to motions: the error on clips whose 3D is known, and failures that are results."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from truth_clips import all_truth_clips

from models.checkpoint import Checkpoint, load_checkpoint
from models.checkpoint_id import SHIPPED
from models.lifting.label_config import LabelConfig
from models.lifting.labelling import ClipResult, label_clip
from models.lifting.lift_metrics import pa_mpjpe
from models.lifting.pseudo_label import label_stored_view
from pipeline.pose import PoseEstimator, make_estimator
from pipeline.reasons import PipelineError, Reason
from pipeline.representation3d import recover_joints
from pipeline.skeletons import HUMANML3D
from pipeline.views import project_view

BOUNDS_MM = {"JumpingJack": 57.0, "SitDown": 72.0, "Cartwheel": 118.0}
"""PA-MPJPE over 22 joints, every frame, whole way from pixels. Measured with the shipped weights:
47, 60 and 99 mm, a fifth below the bounds."""


@pytest.fixture(scope="module")
def estimator() -> PoseEstimator:
    return make_estimator("packaged")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.set_num_threads(1)
    return load_checkpoint(SHIPPED)


@pytest.fixture(scope="module")
def labelled(estimator: PoseEstimator, checkpoint: Checkpoint) -> dict[str, ClipResult]:
    return {
        action: label_clip(clip.video, estimator, checkpoint, LabelConfig())
        for action, clip in all_truth_clips().items()
    }


def write_film(path: Path, frames: list[np.ndarray], fps: float = 25.0) -> Path:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def frames_of(path: Path, count: int) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    frames = [capture.read()[1] for _ in range(count)]
    capture.release()
    return frames


@pytest.mark.parametrize("action", BOUNDS_MM)
def test_a_sample_clip_becomes_one_motion_near_its_truth(
    labelled: dict[str, ClipResult], action: str
) -> None:
    result, truth = labelled[action], all_truth_clips()[action].joints3d_20fps
    assert result.reason is None, result.detail
    (motion,) = result.motions
    start = round(motion.start_s * HUMANML3D.fps)
    known = truth[start : start + len(motion.joints3d)]
    assert len(known) >= 0.95 * len(truth)
    error = pa_mpjpe(motion.joints3d[: len(known)], known).mean()
    assert error < BOUNDS_MM[action]
    # The bound means something: the truth of the wrong moment is further off.
    late = np.roll(known, len(known) // 3, axis=0)
    assert pa_mpjpe(motion.joints3d[: len(known)], late).mean() > error + 20


@pytest.mark.parametrize("action", BOUNDS_MM)
def test_a_stored_view_gives_nearly_the_label_of_its_video(
    labelled: dict[str, ClipResult], checkpoint: Checkpoint, action: str
) -> None:
    """A store lacks the one frame after the last; nothing else differs."""
    (motion,) = labelled[action].motions
    again = label_stored_view(motion.view, motion.seen, checkpoint, LabelConfig())
    assert motion.joints3d is not None and motion.features3d is not None
    assert again.joints3d.shape == motion.joints3d.shape
    assert again.features3d.shape == motion.features3d.shape
    assert np.array_equal(again.mask3d, motion.mask3d)
    off = 1000 * np.linalg.norm(again.joints3d - motion.joints3d, axis=-1)
    assert off.mean() < 10
    assert off.mean() < 0.2 * 1000 * np.abs(motion.joints3d - motion.joints3d[::-1]).mean()


def test_without_a_checkpoint_all_but_the_3d_is_the_same(
    labelled: dict[str, ClipResult], estimator: PoseEstimator
) -> None:
    config = LabelConfig(only_2d=True)
    (bare,) = label_clip(all_truth_clips()["Cartwheel"].video, estimator, None, config).motions
    (motion,) = labelled["Cartwheel"].motions
    assert (bare.joints3d, bare.features3d, bare.mask3d, bare.label) == (None, None, None, None)
    for name in ("view", "features2d", "mask2d", "seen", "pixels"):
        np.testing.assert_array_equal(getattr(bare, name), getattr(motion, name))
    assert bare.quality.mean_confidence == motion.quality.mean_confidence
    assert bare.quality.masked_share == motion.quality.masked_share
    assert (bare.quality.reprojection_m, bare.quality.jitter) == (None, None)


@pytest.mark.parametrize("action", BOUNDS_MM)
def test_all_arrays_of_a_motion_agree_with_each_other(
    labelled: dict[str, ClipResult], action: str
) -> None:
    (motion,) = labelled[action].motions
    frames = len(motion.joints3d)
    assert motion.joints3d.shape == (frames, 22, 3)
    assert motion.features3d.shape == motion.mask3d.shape == (frames - 1, 263)
    assert motion.view.shape == motion.pixels.shape == (frames, 22, 2)
    assert motion.features2d.shape == motion.mask2d.shape == (frames - 1, 134)
    assert motion.seen.shape == (frames, 22)
    for array in (motion.joints3d, motion.features3d, motion.view, motion.pixels):
        assert np.isfinite(array).all()
    recovered = recover_joints(motion.features3d, HUMANML3D)
    np.testing.assert_allclose(recovered, motion.joints3d[: len(recovered)], atol=1e-4)
    # The quality figure is what it says: the lifted body, seen from the fitted azimuth.
    shown = project_view(motion.joints3d, motion.quality.azimuth_deg)
    apart = (shown - shown[:, :1]) - (motion.view - motion.view[:, :1])
    reprojected = np.linalg.norm(apart, axis=-1)[motion.seen].mean() / 0.53
    assert reprojected == pytest.approx(motion.quality.reprojection_m, rel=0.2)


def test_cleaned_pixels_lie_on_the_rendered_body(labelled: dict[str, ClipResult]) -> None:
    """The stored 2D is in the picture's own pixels and on the video's own clock."""
    clip, cleaned = all_truth_clips()["JumpingJack"], labelled["JumpingJack"].wanted[0].cleaned
    assert cleaned is not None
    times = cleaned.start_s + np.arange(len(cleaned.pixels)) / HUMANML3D.fps
    truth_times = np.arange(len(clip.joints2d)) / 25.0
    nearest = np.abs(truth_times[None] - times[:, None]).argmin(axis=1)
    apart = np.linalg.norm(cleaned.pixels - clip.joints2d[nearest], axis=-1)[cleaned.seen]
    assert apart.mean() < 4.0  # pixels, of a body 160 tall; measured 2.5


def test_every_stage_is_timed_and_the_chosen_person_recorded(
    labelled: dict[str, ClipResult],
) -> None:
    for result in labelled.values():
        assert set(result.seconds) == {"decode", "pose", "normalise", "lift"}
        assert all(seconds > 0 for seconds in result.seconds.values())
        (chosen,) = result.wanted
        assert chosen.person.choice is not None
        assert "score" in chosen.person.choice.why


def test_one_euro_smooths_and_is_off_by_default(
    labelled: dict[str, ClipResult], estimator: PoseEstimator, checkpoint: Checkpoint
) -> None:
    clip = all_truth_clips()["Cartwheel"]
    config = LabelConfig(one_euro=True)
    (smooth,) = label_clip(clip.video, estimator, checkpoint, config).motions
    (plain,) = labelled["Cartwheel"].motions
    assert smooth.quality.jitter < 0.9 * plain.quality.jitter


def garbage(folder: Path) -> Path:
    path = folder / "garbage.avi"
    path.write_bytes(np.random.default_rng(0).bytes(50_000))
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def missing(folder: Path) -> Path:
    return folder / "missing.avi"


def still_picture(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    picture = cv2.blur(rng.integers(0, 255, (120, 160, 3), np.uint8), (9, 9))
    return write_film(folder / "still.avi", [picture] * 60)


def short(folder: Path) -> Path:
    video = all_truth_clips()["JumpingJack"].video
    return write_film(folder / "short.avi", frames_of(video, 30))


def cropped_to_the_head(folder: Path) -> Path:
    """The upper third of the body alone, enlarged: hips are never in the picture."""
    clip = all_truth_clips()["JumpingJack"]
    shoulders = clip.joints2d[:, [16, 17]].mean(axis=(0, 1))
    x, y = int(shoulders[0]), int(shoulders[1])
    cut = [f[max(0, y - 40) : y + 20, x - 40 : x + 40] for f in frames_of(clip.video, 75)]
    return write_film(folder / "head.avi", [cv2.resize(f, (320, 240)) for f in cut])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (garbage, Reason.NOT_A_VIDEO),
        (empty, Reason.EMPTY_FILE),
        (missing, Reason.NOT_FOUND),
        (still_picture, Reason.NO_PERSON),
        (short, Reason.TOO_SHORT),
        (cropped_to_the_head, Reason.TOO_FEW_JOINTS),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_failure_is_a_result_with_a_reason_of_its_own(
    make: object, reason: Reason, tmp_path: Path, estimator: PoseEstimator, checkpoint: Checkpoint
) -> None:
    assert callable(make)
    result = label_clip(make(tmp_path), estimator, checkpoint, LabelConfig())
    assert result.reason is reason, result.detail
    assert result.motions == []
    assert all(each.cleaned is None for each in result.people)
    assert result.detail
    assert "\n" not in result.detail
    assert "Traceback" not in result.detail


def test_a_lift_that_fails_on_a_later_run_leaves_no_motion_behind(
    samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.lifting import labelling

    first = object()
    outcomes = iter([first, PipelineError(Reason.LIFT_ERROR, "not finite")])

    def lift_run(*_: object) -> object:
        outcome = next(outcomes)
        if isinstance(outcome, PipelineError):
            raise outcome
        return outcome

    def two_runs(pose: object, config: object) -> list[object]:
        return list(clean(pose, config)) * 2

    clean = labelling.clean_pose
    monkeypatch.setattr(labelling, "clean_pose", two_runs)
    monkeypatch.setattr(labelling, "_lift_run", lift_run)
    video = samples / "JumpingJack" / "v_JumpingJack_g01_c01.avi"
    result = labelling.label_clip(
        video, make_estimator("packaged"), load_checkpoint(SHIPPED), LabelConfig()
    )
    assert next(outcomes, None) is None, "both runs were lifted"
    assert result.reason is Reason.LIFT_ERROR
    assert result.motions == []
