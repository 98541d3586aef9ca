"""The mmpose backend, with checkpoints that the tests themselves make and save.

The networks have random weights: what is tested is the machinery around them, whose answers must be
mmpose's and mmdet's own.
"""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from importlib import util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from evil_checkpoints import Evil, EvilByKnownName, EvilByLookup

from flows.benchmark_synthetic import SyntheticQuestion, run_synthetic
from flows.commands.benchmark import synthetic
from pipeline.carriers import FrameBatch
from pipeline.pose import MMPoseSettings, PoseSetupError, make_estimator
from pipeline.pose.checkpoints import LossCurve, read_checkpoint
from pipeline.pose.mmcv_ext import MODULE, _nms, install_if_absent
from pipeline.pose.mmpose_backend import MMPoseEstimator
from pipeline.pose.mmpose_models import require_mmpose

POSE = "rtmpose-t_8xb256-420e_coco-256x192"
POSE_WITH_FEET = "rtmpose-t_8xb1024-700e_body8-halpe26-256x192"
DETECTOR = "rtmdet_tiny_8xb32-300e_coco"
SIZE = (320, 240)
FRAMES = 11


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small batches gain nothing from more, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def frames(samples: Path) -> np.ndarray:
    """(FRAMES, 240, 320, 3) RGB."""
    video = cv2.VideoCapture(str(next(samples.glob("JumpingJack/*.avi"))))
    taken = [video.read()[1] for _ in range(10 * FRAMES)][::10]  # apart enough to differ
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in taken])


def _batches(frames: np.ndarray, size: int) -> list[FrameBatch]:
    times = np.arange(len(frames)) / 25
    starts = range(0, len(frames), size)
    return [FrameBatch(times[i : i + size], frames[i : i + size]) for i in starts]


def _config(package: str, name: str) -> Any:
    from mmengine.config import Config

    spec = util.find_spec(package)
    assert spec
    assert spec.submodule_search_locations
    configs = Path(spec.submodule_search_locations[0]) / ".mim/configs"
    return Config.fromfile(next(configs.rglob(f"{name}.py")))


def _training_meta(dataset_meta: dict[str, Any]) -> dict[str, Any]:
    """What a training run leaves in a checkpoint beside the weights, numpy objects included."""
    from mmengine.logging import MessageHub

    hub = MessageHub.get_instance("pose-test")
    hub.update_scalar("train/loss", 0.5)
    hub.update_info("epoch_scores", {"AP": np.float64(0.68), "hits": np.arange(3)})
    return {
        "meta": {"dataset_meta": dataset_meta, "epoch": 420, "seed": np.int64(21), "cfg": "..."},
        "message_hub": hub.state_dict(),
        "param_schedulers": [],
    }


def _spread(network: Any, pictures: np.ndarray) -> None:
    """Make a random network answer differently to different pictures, inside the picture.

    Batch norm statistics come from the pictures; the coordinate classifiers fade at the borders and
    give scores below 1.
    """
    inputs = torch.stack(
        [
            torch.from_numpy(cv2.resize(p[:, 60:260], (192, 256)).transpose(2, 0, 1).copy())
            for p in pictures
        ]
    )
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # one pass sets the statistics
    network.train()
    with torch.no_grad():
        network.backbone((inputs.float() - 120) / 58)
        for layer in (network.head.cls_x, network.head.cls_y):
            layer.weight *= 0.1 * torch.hann_window(len(layer.weight))[:, None] ** 2
    network.eval()


@pytest.fixture(scope="module")
def pose_weights(tmp_path_factory: pytest.TempPathFactory, frames: np.ndarray) -> Path:
    require_mmpose()
    from mmpose.apis import init_model

    torch.manual_seed(0)
    network = init_model(_config("mmpose", POSE), None, device="cpu")
    _spread(network, frames[:4])
    path = tmp_path_factory.mktemp("pose") / "epoch_420.pth"
    content = {"state_dict": network.state_dict(), **_training_meta(network.dataset_meta)}
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def detector_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random RTMDet that sees large persons everywhere."""
    require_mmpose()
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope

    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmdet"):
        network = MODELS.build(_config("mmdet", DETECTOR).model)
    with torch.no_grad():
        for classes in network.bbox_head.rtm_cls:
            classes.bias.fill_(-4)
        network.bbox_head.rtm_cls[-1].bias[0] = 1  # stride 32: boxes of about 128 pixels
        network.bbox_head.rtm_reg[-1].bias.fill_(4)
    path = tmp_path_factory.mktemp("detector") / "epoch_300.pth"
    meta = {"classes": ("person", *(f"thing {i}" for i in range(79))), "palette": [(0, 0, 0)]}
    torch.save({"state_dict": network.state_dict(), **_training_meta(meta)}, path)
    return path


@pytest.fixture(scope="module")
def chosen(pose_weights: Path) -> MMPoseSettings:
    return MMPoseSettings(POSE, pose_weights, device="cpu", batch_size=4)


@pytest.fixture(scope="module")
def estimator(chosen: MMPoseSettings) -> MMPoseEstimator:
    made = make_estimator("mmpose", mmpose=chosen)
    assert isinstance(made, MMPoseEstimator)
    return made


def test_whole_frames_in_batches_equal_mmpose_frame_by_frame(
    estimator: MMPoseEstimator, frames: np.ndarray
) -> None:
    from mmpose.apis import inference_topdown

    (track,) = estimator.estimate(_batches(frames, 5), SIZE)
    network = estimator._pose.network
    answers = [inference_topdown(network, f[..., ::-1])[0].pred_instances for f in frames]
    keypoints = np.concatenate([a.keypoints for a in answers])
    scores = np.concatenate([a.keypoint_scores for a in answers])
    pose = track.pose
    assert estimator.joint_set == pose.joint_set == "coco17"
    np.testing.assert_allclose(pose.joints, keypoints, atol=1e-3)
    inside = ((keypoints >= 0) & (keypoints <= SIZE)).all(-1)
    np.testing.assert_allclose(pose.confidence, np.clip(scores, 0, 1) * inside, atol=1e-4)
    assert inside.mean() > 0.5
    assert scores.max() < 1
    assert len(np.unique(pose.confidence, axis=0)) == FRAMES, "the network ignores its input"


def test_results_do_not_depend_on_batches_or_earlier_clips(
    estimator: MMPoseEstimator, frames: np.ndarray
) -> None:
    first = estimator.estimate(_batches(frames, 5), SIZE)
    estimator.estimate(_batches(frames[::-1, ::-1], 3), SIZE)
    for size in (1, 7):
        again = estimator.estimate(_batches(frames, size), SIZE)
        assert len(again) == len(first)
        for a, b in zip(again, first, strict=True):
            np.testing.assert_array_equal(a.pose.joints, b.pose.joints)
            np.testing.assert_array_equal(a.pose.confidence, b.pose.confidence)


def test_detected_persons_equal_mmdet_then_mmpose(
    chosen: MMPoseSettings, detector_weights: Path, frames: np.ndarray
) -> None:
    from mmdet.apis import inference_detector
    from mmengine.registry import DefaultScope
    from mmpose.apis import inference_topdown
    from torchvision.ops import nms

    estimator = MMPoseEstimator(
        replace(chosen, detector_config=DETECTOR, detector_checkpoint=detector_weights)
    )
    assert DETECTOR in estimator.estimator_id
    tracks = estimator.estimate(_batches(frames[:2], 1), SIZE)
    picture = np.ascontiguousarray(frames[0][..., ::-1])
    with DefaultScope.overwrite_default_scope("mmdet"):
        seen = inference_detector(estimator._detector.network, picture).pred_instances
    kept = (seen.labels == 0) & (seen.scores >= 0.3)
    boxes = seen.bboxes[kept][nms(seen.bboxes[kept], seen.scores[kept], 0.3)].numpy()
    assert len(boxes) > 3, "the detector sees nobody: nothing is tested"
    answers = inference_topdown(estimator._pose.network, picture, boxes)
    wanted = np.concatenate([a.pred_instances.keypoints for a in answers])
    inside = ((wanted >= 0) & (wanted <= SIZE)).all(-1).any(-1)
    got = np.stack([t.pose.joints[0] for t in tracks if t.first_frame == 0])
    assert len(got) == inside.sum()
    for joints in wanted[inside]:
        assert np.abs(got - joints).max(axis=(1, 2)).min() < 1e-2


def test_a_detector_that_sees_nobody_gives_no_track(
    chosen: MMPoseSettings, detector_weights: Path, frames: np.ndarray
) -> None:
    strict = replace(
        chosen,
        detector_config=DETECTOR,
        detector_checkpoint=detector_weights,
        min_person_score=0.999,
    )
    assert MMPoseEstimator(strict).estimate(_batches(frames[:3], 2), SIZE) == []


def test_between_detections_poses_lead_on(
    chosen: MMPoseSettings,
    detector_weights: Path,
    frames: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every = replace(chosen, detector_config=DETECTOR, detector_checkpoint=detector_weights)
    always, seldom = MMPoseEstimator(every), MMPoseEstimator(replace(every, detect_every=3))
    assert MMPoseEstimator(replace(every, detect_every=1)).estimator_id == always.estimator_id
    assert seldom.estimator_id != always.estimator_id
    looked: list[int] = []
    real = seldom._person_boxes

    def watched(pictures: list[np.ndarray]) -> list[np.ndarray]:
        looked.append(len(pictures))
        return [boxes[:2] for boxes in real(pictures)]

    monkeypatch.setattr(seldom, "_person_boxes", watched)
    monkeypatch.setattr("pipeline.pose.led_boxes.LEAST_CONFIDENCE", 0.0)  # weights are random
    tracks = seldom.estimate(_batches(frames[:7], 4), SIZE)
    assert looked == [1, 1, 1]  # frames 0, 3 and 6
    assert sum(int(track.seen.sum()) for track in tracks) >= 7
    again = seldom.estimate(_batches(frames[:7], 2), SIZE)
    for a, b in zip(again, tracks, strict=True):
        np.testing.assert_array_equal(a.pose.joints, b.pose.joints)


def test_detect_every_nought_is_one_sentence(chosen: MMPoseSettings) -> None:
    with pytest.raises(ValueError, match="detect_every must be 1 or more, got 0"):
        replace(chosen, detect_every=0)


def test_a_model_with_feet_names_its_joints(tmp_path: Path) -> None:
    require_mmpose()
    from mmpose.apis import init_model

    network = init_model(_config("mmpose", POSE_WITH_FEET), None, device="cpu")
    path = tmp_path / "feet.pth"
    torch.save({"state_dict": network.state_dict(), "meta": {}}, path)
    made = make_estimator(
        "mmpose", mmpose=MMPoseSettings(POSE_WITH_FEET, path, device="cpu", flip_test=False)
    )
    assert made.joint_set == "halpe26"


def test_the_id_names_what_changes_results_and_nothing_else(
    estimator: MMPoseEstimator, chosen: MMPoseSettings
) -> None:
    same = MMPoseEstimator(replace(chosen, batch_size=2))
    other = MMPoseEstimator(replace(chosen, flip_test=False))
    assert same.estimator_id == estimator.estimator_id != other.estimator_id
    assert f":{POSE}:" in estimator.estimator_id
    assert estimator.estimator_id.endswith(":boxes-whole")


@pytest.mark.parametrize("trap", [Evil, EvilByLookup, EvilByKnownName])
@pytest.mark.parametrize("form", ["torch", "torch-legacy", "pickle"])
def test_a_malicious_checkpoint_is_refused_and_runs_nothing(
    form: str, trap: type, tmp_path: Path, pose_weights: Path
) -> None:
    mark, path = tmp_path / "mark", tmp_path / "evil.pth"
    content = torch.load(pose_weights, weights_only=False)  # the test's own file
    content["meta"]["note"] = trap(mark)
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "torch")
    with pytest.raises(PoseSetupError, match=r"^refused checkpoint [^\n]*$"):
        make_estimator("mmpose", mmpose=MMPoseSettings(POSE, path, device="cpu"))
    assert not mark.exists()
    torch.load(path, weights_only=False) if form != "pickle" else pickle.loads(path.read_bytes())
    assert mark.exists(), "the trap itself does not work"


def test_training_leftovers_are_read_as_data(pose_weights: Path) -> None:
    content = read_checkpoint(pose_weights)
    assert content["meta"]["seed"] == 21
    assert content["meta"]["dataset_meta"]["sigmas"].shape == (17,)
    curve = content["message_hub"]["log_scalars"]["train/loss"]
    assert type(curve) is LossCurve
    assert vars(curve)["_log_history"].tolist() == [0.5]


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "no weights", "other model"])
def test_a_bad_checkpoint_is_one_sentence(damage: str, tmp_path: Path, pose_weights: Path) -> None:
    path = tmp_path / f"{damage}.pth"
    whole = pose_weights.read_bytes()
    match damage:
        case "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        case "garbage":
            path.write_bytes(b"not weights at all" * 100)
        case "empty":
            path.write_bytes(b"")
        case "no weights":
            torch.save({"state_dict": {}}, path)
        case "other model":
            weights = read_checkpoint(pose_weights)["state_dict"]
            torch.save({"state_dict": {k: v for k, v in weights.items() if "head" not in k}}, path)
    with pytest.raises(PoseSetupError) as caught:
        make_estimator("mmpose", mmpose=MMPoseSettings(POSE, path, device="cpu"))
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_without_a_place_are_reported_and_wrappers_unwrapped(
    tmp_path: Path, pose_weights: Path, chosen: MMPoseSettings
) -> None:
    weights = read_checkpoint(pose_weights)["state_dict"]
    wrapped = {f"module.{name}": value for name, value in weights.items()}
    path = tmp_path / "wrapped.pth"
    torch.save({**wrapped, "teacher.weight": torch.zeros(1)}, path)
    with pytest.warns(UserWarning, match=r"1 weights have no place in .* e\.g\. teacher\.weight"):
        MMPoseEstimator(replace(chosen, checkpoint=path))


@pytest.mark.parametrize("given", [None, "nowhere", "empty folder"])
def test_missing_weights_name_the_command_that_fetches_them(
    given: str | None, tmp_path: Path
) -> None:
    place = None if given is None else tmp_path / ("x.pth" if given == "nowhere" else "")
    with pytest.raises(PoseSetupError) as caught:
        make_estimator("mmpose", mmpose=MMPoseSettings(POSE, place))
    command = f"`mim download mmpose --config {POSE} --dest checkpoints`"
    assert command in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_folder_that_mim_fills_is_enough(
    tmp_path: Path, pose_weights: Path, chosen: MMPoseSettings, estimator: MMPoseEstimator
) -> None:
    published = "rtmpose-tiny_simcc-coco_pt-aic-coco_420e-256x192-e613ba3f_20230127.pth"
    (tmp_path / published).write_bytes(pose_weights.read_bytes())
    (tmp_path / "somebody-elses.pth").write_bytes(b"")
    found = MMPoseEstimator(replace(chosen, checkpoint=tmp_path))
    assert found.estimator_id == estimator.estimator_id


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (MMPoseSettings("rtmpose-z"), "mmpose has no config named 'rtmpose-z'"),
        (MMPoseSettings("rtmpose-m_8xb256-420e_coco-256x19"), "did you mean rtmpose-m_8xb256"),
        (MMPoseSettings("nowhere.py"), "there is no config nowhere.py"),
        (MMPoseSettings(device="cuda:99"), "there is no device 'cuda:99' on this machine"),
    ],
)
def test_settings_that_cannot_be_had_are_one_sentence(
    settings: MMPoseSettings, sentence: str
) -> None:
    with pytest.raises(PoseSetupError) as caught:
        make_estimator("mmpose", mmpose=settings)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("package", ["mmengine", "mmcv", "mmdet", "mmpose"])
def test_without_the_extra_the_sentence_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = util.find_spec
    monkeypatch.setattr(
        "pipeline.pose.mmpose_models.util.find_spec",
        lambda name: None if name == package else real(name),
    )
    with pytest.raises(PoseSetupError) as caught:
        make_estimator("mmpose")
    assert str(caught.value) == f"the mmpose backend needs {package}: {INSTALL_COMMAND}"


INSTALL_COMMAND = "pip install 'crossdiff[mmpose]'"


def test_a_detector_must_know_persons(
    chosen: MMPoseSettings, detector_weights: Path, tmp_path: Path
) -> None:
    content = read_checkpoint(detector_weights)
    del content["message_hub"]
    content["meta"]["dataset_meta"]["classes"] = tuple(f"thing {i}" for i in range(80))
    path = tmp_path / "things.pth"
    torch.save(content, path)
    with pytest.raises(PoseSetupError, match="has no class 'person'"):
        MMPoseEstimator(replace(chosen, detector_config=DETECTOR, detector_checkpoint=path))


def test_the_stand_in_refuses_by_name_and_steps_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    assert install_if_absent()
    with pytest.raises(NotImplementedError, match="'roi_align_forward' is not in mmcv-lite"):
        sys.modules[MODULE].roi_align_forward(1, 2)
    real = ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, MODULE, real)
    assert not install_if_absent()
    assert sys.modules[MODULE] is real


@pytest.mark.parametrize("offset", [0, 1])
def test_nms_counts_the_last_pixel_when_asked(offset: int) -> None:
    # 4 wide with a 2-wide overlap: IoU 2/6 at offset 0, 3/7 at offset 1 (widths 5 and 3).
    boxes = torch.tensor([[0.0, 0, 4, 0 + 4], [2.0, 0, 6, 4]])
    scores = torch.tensor([0.5, 0.9])
    assert _nms(boxes, scores, 0.4, offset).tolist() == ([1, 0] if offset == 0 else [1])


def test_the_benchmark_of_rendered_clips_measures_this_backend_too(
    chosen: MMPoseSettings, samples: Path
) -> None:
    """Random weights see nonsense: a large 2D error and no 3D of its own, told under its name."""
    asked = SyntheticQuestion(
        clips=samples / "JumpingJack", variants=("paper",), backends=("mmpose",), mmpose=chosen
    )
    told, lines = run_synthetic(asked)
    estimator = make_estimator("mmpose", mmpose=chosen)
    assert told["estimators"] == {"mmpose, one": estimator.estimator_id}
    assert {row["backend"] for row in told["views"]} == {"mmpose"}
    assert told["views"][0]["pck_12"]["mean"] < 50  # %
    assert any("mmpose" in line for line in lines)


def test_weights_for_a_backend_that_is_not_asked_for_are_refused(samples: Path) -> None:
    with pytest.raises(ValueError, match="add mmpose to --backends"):
        synthetic(samples, pose_checkpoint=Path("rtmpose.pth"))
