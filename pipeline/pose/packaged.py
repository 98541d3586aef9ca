"""The offline default: MediaPipe BlazePose, whose weights lie inside its wheel. One person."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from importlib import metadata, util
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.arrays import Float32, UInt8
from pipeline.carriers import FrameBatch
from pipeline.pose.joint_sets import MEDIAPIPE33
from pipeline.pose.protocol import (
    FramePersons,
    PersonTrack,
    PoseSetupError,
    iterate_frames,
    trusted_confidence,
)
from pipeline.pose.quiet import stderr_without
from pipeline.pose.settings import LinkSettings, PackagedSettings
from pipeline.reasons import PipelineError, Reason
from pipeline.tracking import link_as_found

WEIGHT_FILES = ("pose_detection/pose_detection.tflite", "pose_landmark/pose_landmark_full.tflite")
"""Under `mediapipe/modules`. `full` is the one landmark model in the wheel (model_complexity 1);
asking for another would make MediaPipe download it."""
MODEL_COMPLEXITY = 1
INSTALL = "pip install mediapipe==0.10.21"

CHATTER = re.compile(
    rb"INFO: Created TensorFlow Lite XNNPACK delegate"
    rb"|WARNING: All log messages before absl::InitializeLog"
    rb"|W\d{4} .*(inference_feedback_manager|landmark_projection_calculator)\.cc"
)
"""What MediaPipe writes to standard error whenever a graph starts. No environment variable and no
logging level that Python can reach turns it off."""


class _Landmark(Protocol):
    x: float
    y: float
    z: float
    visibility: float


class _Landmarks(Protocol):
    landmark: Sequence[_Landmark]


class _Answer(Protocol):
    pose_landmarks: _Landmarks | None
    """x and y in shares of the picture's width and height."""
    pose_world_landmarks: _Landmarks | None
    """Metres, hip-centred."""


class _Graph(Protocol):
    """What this file uses of `mediapipe.solutions.pose.Pose`."""

    def process(self, image: UInt8) -> _Answer: ...

    def close(self) -> None: ...


class PackagedEstimator:
    """MediaPipe BlazePose (full) on the CPU, one thread, 33 landmarks, one person a frame.

    The landmark's `visibility` is the confidence. BlazePose places all 33 landmarks even when
    some lie outside the picture: those keep their guessed pixels with confidence 0. The person is
    the one BlazePose follows; when it jumps to somebody else, a new track begins.
    """

    joint_set = MEDIAPIPE33.name

    def __init__(
        self, settings: PackagedSettings | None = None, link: LinkSettings | None = None
    ) -> None:
        """Check that the model is there; load nothing yet.

        Args:
            settings: BlazePose's knobs; the defaults when None.
            link: When a detection continues a track; the defaults when None.

        Raises:
            PoseSetupError: mediapipe is not installed, or its wheel carries no model.
        """
        self._settings = settings or PackagedSettings()
        self._link = link or LinkSettings()
        self._id = packaged_id("blazepose-full", [asdict(self._settings), self._link.told()])

    @property
    def estimator_id(self) -> str:
        """`mediapipe-<version>:blazepose-full:settings-<sha>:weights-<sha>`."""
        return self._id

    def estimate(
        self, batches: Iterable[FrameBatch], frame_size: tuple[int, int]
    ) -> list[PersonTrack]:
        """Find and follow the person of one clip; see `PoseEstimator.estimate`."""
        found = self._frame_persons(batches, frame_size)
        return link_as_found(found, self.joint_set, frame_size, self._link)

    def _frame_persons(
        self, batches: Iterable[FrameBatch], frame_size: tuple[int, int]
    ) -> Iterator[tuple[float, FramePersons]]:
        """Run one fresh graph over the clip's frames."""
        graph: _Graph | None = None
        warming_up = True  # until a person was seen: the last of the chatter comes with them
        try:
            for time, frame in iterate_frames(batches, frame_size):
                with stderr_without(CHATTER) if warming_up else nullcontext():
                    graph = graph or _new_graph(self._settings)
                    persons = _process(graph, frame)
                warming_up = warming_up and not len(persons)
                yield time, persons
        finally:
            if graph is not None:
                graph.close()


def _new_graph(settings: PackagedSettings) -> _Graph:
    """A BlazePose graph with no memory of earlier clips."""
    from mediapipe.python.solutions.pose import Pose  # noqa: PLC0415 - heavy, and chatty

    graph: _Graph = Pose(
        static_image_mode=False,
        model_complexity=MODEL_COMPLEXITY,
        smooth_landmarks=settings.smooth_landmarks,
        min_detection_confidence=settings.min_detection_confidence,
        min_tracking_confidence=settings.min_tracking_confidence,
    )
    return graph


def _process(graph: _Graph, frame: UInt8) -> FramePersons:
    """One frame through the graph: nobody or one person."""
    try:
        answer = graph.process(np.ascontiguousarray(frame))
    except (RuntimeError, ValueError) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PipelineError(Reason.POSE_ERROR, f"MediaPipe failed: {first_line}") from error
    if answer.pose_landmarks is None or answer.pose_world_landmarks is None:
        return nobody()
    height, width = frame.shape[:2]
    raw = _landmarks(answer.pose_landmarks)
    joints = raw[:, :2] * np.array([width, height], np.float32)
    confidence = trusted_confidence(joints, raw[:, 3], (width, height))
    world = _landmarks(answer.pose_world_landmarks)[None, :, :3]
    return FramePersons(joints[None], confidence[None], world)


def _landmarks(message: _Landmarks) -> Float32:
    """(33, 4) x, y, z, visibility of a landmark list message."""
    return np.array([(p.x, p.y, p.z, p.visibility) for p in message.landmark], np.float32)


def nobody() -> FramePersons:
    """A frame without people."""
    count = len(MEDIAPIPE33)
    empty = np.zeros((0, count), np.float32)
    return FramePersons(np.zeros((0, count, 2), np.float32), empty)


def packaged_id(name: str, knobs: list[dict[str, Any]]) -> str:
    """Name the library version, the settings and the weights, and check that both are there.

    Args:
        name: Of the way in which the weights are used.
        knobs: All settings that change a result.

    Returns:
        `mediapipe-<version>:<name>:settings-<sha>:weights-<sha>`.

    Raises:
        PoseSetupError: mediapipe is not installed, or its wheel carries no model.
    """
    spec = util.find_spec("mediapipe")
    if spec is None or not spec.submodule_search_locations:
        raise PoseSetupError(f"the packaged pose model needs mediapipe: {INSTALL}")
    version = metadata.version("mediapipe")
    modules = Path(spec.submodule_search_locations[0]) / "modules"
    weights = hashlib.sha256()
    for file in WEIGHT_FILES:
        if not (modules / file).is_file():
            raise PoseSetupError(f"mediapipe {version} carries no {Path(file).name}: {INSTALL}")
        weights.update((modules / file).read_bytes())
    told = json.dumps(knobs, sort_keys=True).encode()
    settings_hash = hashlib.sha256(told).hexdigest()[:12]
    return f"mediapipe-{version}:{name}:settings-{settings_hash}:weights-{weights.hexdigest()[:12]}"
