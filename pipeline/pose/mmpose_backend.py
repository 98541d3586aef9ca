"""RTMPose (and any top-down mmpose model): persons in boxes, many frames in one batch."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module, metadata
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch

from pipeline.arrays import Float32, UInt8
from pipeline.carriers import FrameBatch
from pipeline.pose.led_boxes import boxes_led_on
from pipeline.pose.mmpose_models import (
    PERSON,
    LoadedModel,
    Network,
    joint_set_of,
    load_detector,
    load_pose_model,
    require_mmpose,
    resolve_device,
)
from pipeline.pose.protocol import (
    FramePersons,
    PersonTrack,
    iterate_frames,
    trusted_confidence,
)
from pipeline.pose.settings import LinkSettings, MMPoseSettings
from pipeline.reasons import PipelineError, Reason
from pipeline.tracking import link_persons

DUPLICATE_IOU = 0.3
"""Of two person boxes that overlap more, the worse goes (as in mmpose's own top-down demo)."""


class _Keypoints(Protocol):
    keypoints: Float32
    """(1, J, 2) pixels of the frame."""
    keypoint_scores: Float32
    """(1, J)."""


class _Boxes(Protocol):
    bboxes: torch.Tensor
    """(P, 4) x0 y0 x1 y1 pixels of the frame."""
    scores: torch.Tensor
    labels: torch.Tensor


Sample = dict[str, Any]
"""What a config's test pipeline takes and gives."""


class MMPoseEstimator:
    """A top-down mmpose model behind the `PoseEstimator` protocol; several persons a frame."""

    def __init__(self, settings: MMPoseSettings, link: LinkSettings | None = None) -> None:
        """Load the models.

        Args:
            settings: Which models, on what.
            link: When a detection continues a track; the defaults when None.

        Raises:
            PoseSetupError: mmpose, a config, weights or the device is missing; one sentence.
        """
        require_mmpose()
        device = resolve_device(settings.device)
        self._settings = settings
        self._link = link or LinkSettings()
        self._pose = load_pose_model(
            settings.config, settings.checkpoint, device, settings.flip_test
        )
        self._pose_pipeline = _test_pipeline(self._pose.network, "mmpose")
        self._joint_set = joint_set_of(self._pose.network)
        self._detector: LoadedModel | None = None
        if settings.detector_config is not None:
            self._detector = load_detector(
                settings.detector_config, settings.detector_checkpoint, device
            )
            self._detector_pipeline = _test_pipeline(self._detector.network, "mmdet")
        self._id = self._describe()

    @property
    def estimator_id(self) -> str:
        """`mmpose-<version>:<config>:settings-<sha>:weights-<sha>:boxes-<detector or whole>`."""
        return self._id

    @property
    def joint_set(self) -> str:
        """Name of the joint set, recognised from the model's metadata."""
        return self._joint_set.name

    def estimate(
        self, batches: Iterable[FrameBatch], frame_size: tuple[int, int]
    ) -> list[PersonTrack]:
        """Find and follow the persons of one clip; see `PoseEstimator.estimate`."""
        frames = iterate_frames(batches, frame_size)
        times, found = (
            self._followed(frames, frame_size)
            if self._detector is not None and self._settings.detect_every > 1
            else self._detected(frames, frame_size)
        )
        clock = np.asarray(times, np.float64)
        return link_persons(found, clock, self.joint_set, frame_size, self._link)

    def _detected(
        self, frames: Iterator[tuple[float, UInt8]], frame_size: tuple[int, int]
    ) -> tuple[list[float], list[FramePersons]]:
        """Times and persons of all frames, the detector looking at each."""
        times: list[float] = []
        persons: list[list[tuple[Float32, Float32]]] = []
        crops = self._crops(frames, times, persons)
        # Crops are cut into passes here, not by the reader: a pass's make-up is a function of the
        # clip alone, so results are too, to the bit.
        while chunk := list(islice(crops, self._settings.batch_size)):
            answers = _run(self._pose.network, [crop for _, crop in chunk])
            for (frame, _), answer in zip(chunk, answers, strict=True):
                persons[frame].append(_keypoints(answer.pred_instances))
        return times, [self._gather(frame, frame_size) for frame in persons]

    def _followed(
        self, frames: Iterator[tuple[float, UInt8]], frame_size: tuple[int, int]
    ) -> tuple[list[float], list[FramePersons]]:
        """The same with the detector looking now and then, and poses leading on in between.

        A frame needs the one before it, so a pass of the pose network holds one frame's crops.
        """
        times: list[float] = []
        found: list[FramePersons] = []
        for index, (time, frame) in enumerate(frames):
            picture = np.ascontiguousarray(frame[..., ::-1])  # BGR
            boxes = np.zeros((0, 4), np.float32)
            if index % self._settings.detect_every:
                boxes = boxes_led_on(found[-1], self.joint_set, frame_size)
            if not len(boxes):
                boxes = self._person_boxes([picture])[0]
            people = []
            for start in range(0, len(boxes), self._settings.batch_size):
                part = boxes[start : start + self._settings.batch_size]
                answers = _run(self._pose.network, [self._prepare(picture, b) for b in part])
                people += [_keypoints(answer.pred_instances) for answer in answers]
            times.append(time)
            found.append(self._gather(people, frame_size))
        return times, found

    def _crops(
        self,
        frames: Iterator[tuple[float, UInt8]],
        times: list[float],
        persons: list[list[tuple[Float32, Float32]]],
    ) -> Iterator[tuple[int, Sample]]:
        """Yield (frame index, prepared crop) per person, noting times on the way."""
        while chunk := list(islice(frames, self._settings.detector_batch_size)):
            pictures = [np.ascontiguousarray(frame[..., ::-1]) for _, frame in chunk]  # BGR
            for (time, _), picture, boxes in zip(
                chunk, pictures, self._person_boxes(pictures), strict=True
            ):
                index = len(times)
                times.append(time)
                persons.append([])
                for box in boxes:
                    yield index, self._prepare(picture, box)

    def _prepare(self, picture: UInt8, box: Float32) -> Sample:
        """One person's crop through the config's test pipeline, as `inference_topdown` does."""
        data = {"img": picture, "bbox": box[None], "bbox_score": np.ones(1, np.float32)}
        return self._pose_pipeline({**data, **self._pose.network.dataset_meta})

    def _person_boxes(self, pictures: list[UInt8]) -> list[Float32]:
        """(P, 4) x0 y0 x1 y1 boxes of the persons in each picture."""
        if self._detector is None:
            height, width = pictures[0].shape[:2]
            return [np.array([[0, 0, width, height]], np.float32)] * len(pictures)
        network = self._detector.network
        prepared = [self._detector_pipeline({"img": p, "img_id": 0}) for p in pictures]
        person = list(network.dataset_meta["classes"]).index(PERSON)
        return [
            _keep_persons(answer.pred_instances, person, self._settings.min_person_score)
            for answer in _run(network, prepared)
        ]

    def _gather(
        self, people: list[tuple[Float32, Float32]], frame_size: tuple[int, int]
    ) -> FramePersons:
        """Stack one frame's persons; joints the network scores 0 or less were not found."""
        count = len(self._joint_set)
        joints = np.array([j for j, _ in people], np.float32).reshape(-1, count, 2)
        scores = np.array([s for _, s in people], np.float32).reshape(-1, count)
        joints[scores <= 0] = np.nan
        return FramePersons(joints, trusted_confidence(joints, scores, frame_size))

    def _describe(self) -> str:
        """The estimator id: all that changes a result is in it; devices and batch sizes are not."""
        settings = self._settings
        knobs: list[Any] = [self._pose.config_sha, self._link.told()]
        boxes = "whole"
        if self._detector is not None:
            boxes = f"{self._detector.config_name}-{self._detector.weights_sha}"
            knobs += [self._detector.config_sha, settings.min_person_score]
            knobs += [] if settings.detect_every == 1 else [settings.detect_every]
        settings_sha = hashlib.sha256(json.dumps(knobs, sort_keys=True).encode()).hexdigest()[:12]
        return (
            f"mmpose-{metadata.version('mmpose')}:{self._pose.config_name}"
            f":settings-{settings_sha}:weights-{self._pose.weights_sha}:boxes-{boxes}"
        )


def _test_pipeline(network: Network, scope: str) -> Callable[[Sample], Sample]:
    """The config's test pipeline, reading pictures from memory instead of from files."""
    from mmengine.dataset import Compose  # noqa: PLC0415 - optional extra
    from mmengine.registry import DefaultScope  # noqa: PLC0415

    steps = [dict(step) for step in network.cfg.test_dataloader.dataset.pipeline]
    if scope == "mmdet":
        steps[0]["type"] = "mmdet.LoadImageFromNDArray"
    with DefaultScope.overwrite_default_scope(scope):
        compose: Callable[[Sample], Sample] = Compose(steps)
    return compose


def _run(network: Network, prepared: list[Sample]) -> list[Any]:
    """One forward pass over prepared samples."""
    from mmengine.dataset import pseudo_collate  # noqa: PLC0415 - optional extra

    try:
        with torch.inference_mode():
            return network.test_step(pseudo_collate(prepared))
    except RuntimeError as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise PipelineError(Reason.POSE_ERROR, f"mmpose failed: {first_line}") from error


def _keypoints(instances: _Keypoints) -> tuple[Float32, Float32]:
    """(J, 2) pixels and (J,) scores of one crop's answer."""
    return (
        np.asarray(instances.keypoints[0], np.float32),
        np.asarray(instances.keypoint_scores[0], np.float32),
    )


def _keep_persons(instances: _Boxes, person: int, least_score: float) -> Float32:
    """Person boxes above the score, duplicates removed, best first."""
    torchvision_ops = import_module("torchvision.ops")
    wanted = (instances.labels == person) & (instances.scores >= least_score)
    boxes, scores = instances.bboxes[wanted], instances.scores[wanted]
    kept = boxes[torchvision_ops.nms(boxes, scores, DUPLICATE_IOU)]
    return np.asarray(kept.cpu().numpy(), np.float32)
