"""BlazePose's two halves, each a graph of its own: find people, and read the joints of one of them.

MediaPipe's pose solution runs both inside one graph and follows one person. The same calculators
and the same weights run here apart, so that who is looked at, where and when is ours to decide. For
one person who is followed from the first frame, the joints are the solution's own to the bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from pipeline.arrays import Float32, UInt8
from pipeline.reasons import PipelineError, Reason

FIND_GRAPH = """
input_stream: "image"
output_stream: "detections"
output_stream: "rois"
node {
  calculator: "ImagePropertiesCalculator"
  input_stream: "IMAGE_CPU:image"
  output_stream: "SIZE:size"
}
node {
  calculator: "PoseDetectionCpu"
  input_stream: "IMAGE:image"
  output_stream: "DETECTIONS:detections"
}
node {
  calculator: "AlignmentPointsRectsCalculator"
  input_stream: "DETECTIONS:detections"
  input_stream: "IMAGE_SIZE:size"
  output_stream: "NORM_RECTS:circles"
  options {
    [mediapipe.DetectionsToRectsCalculatorOptions.ext] {
      rotation_vector_start_keypoint_index: 0
      rotation_vector_end_keypoint_index: 1
      rotation_vector_target_angle_degrees: 90
      output_zero_rect_for_empty_detections: false
    }
  }
}
node {
  calculator: "RectTransformationCalculator"
  input_stream: "NORM_RECTS:circles"
  input_stream: "IMAGE_SIZE:size"
  output_stream: "rois"
  options {
    [mediapipe.RectTransformationCalculatorOptions.ext] {
      scale_x: 1.25
      scale_y: 1.25
      square_long: true
    }
  }
}
"""
"""A picture to everybody in it who stands out at 224 x 224 pixels, each in a turned square: that of
the circle around the middle of the hips (key point 0) through the detector's key point 1, grown by
a quarter, as in MediaPipe's `pose_detection_to_roi`."""

READ_GRAPH = """
input_stream: "image"
input_stream: "roi"
output_stream: "landmarks"
output_stream: "auxiliary"
output_stream: "world"
node {
  calculator: "PoseLandmarkByRoiCpu"
  input_side_packet: "MODEL_COMPLEXITY:model_complexity"
  input_side_packet: "ENABLE_SEGMENTATION:enable_segmentation"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  output_stream: "LANDMARKS:landmarks"
  output_stream: "AUXILIARY_LANDMARKS:auxiliary"
  output_stream: "WORLD_LANDMARKS:world"
}
"""
"""A picture and where one person is to that person's joints. It holds the large network (100 MB of
memory, 0.1 s to start), so there is one for everybody."""

FOLLOW_GRAPH = """
input_stream: "image"
input_stream: "landmarks"
input_stream: "auxiliary"
input_stream: "world"
output_stream: "next_landmarks"
output_stream: "next_world"
output_stream: "next_roi"
node {
  calculator: "ImagePropertiesCalculator"
  input_stream: "IMAGE_CPU:image"
  output_stream: "SIZE:size"
}
node {
  calculator: "PoseLandmarkFiltering"
  input_side_packet: "ENABLE:smooth_landmarks"
  input_stream: "IMAGE_SIZE:size"
  input_stream: "NORM_LANDMARKS:landmarks"
  input_stream: "AUX_NORM_LANDMARKS:auxiliary"
  input_stream: "WORLD_LANDMARKS:world"
  output_stream: "FILTERED_NORM_LANDMARKS:next_landmarks"
  output_stream: "FILTERED_AUX_NORM_LANDMARKS:next_auxiliary"
  output_stream: "FILTERED_WORLD_LANDMARKS:next_world"
}
node {
  calculator: "PoseLandmarksToRoi"
  input_stream: "LANDMARKS:next_auxiliary"
  input_stream: "IMAGE_SIZE:size"
  output_stream: "ROI:next_roi"
}
"""
"""One person's joints to where they will be looked for in the next picture. It remembers that
person's path (MediaPipe steadies the square, not the joints), so there is one a person."""

FIND_THRESHOLD = "posedetectioncpu__TensorsToDetectionsCalculator.min_score_thresh"
READ_THRESHOLD = (
    "poselandmarkbyroicpu__tensorstoposelandmarksandsegmentation__ThresholdingCalculator.threshold"
)


MESSAGES = ("landmarks", "auxiliary", "world")
"""What `READ_GRAPH` gives and `FOLLOW_GRAPH` takes."""


class _Graph(Protocol):
    """What this file uses of MediaPipe's `SolutionBase`."""

    def process(self, input_data: dict[str, Any]) -> Any: ...  # noqa: ANN401 - made by MediaPipe

    def close(self) -> None: ...


@dataclass(frozen=True)
class Roi:
    """A turned square around one person, in pixels of the picture."""

    x: float
    y: float
    """Its centre: the middle of the hips."""
    width: float
    height: float
    """Its sides, equal up to rounding: both are kept, since the networks tell the difference."""
    rotation: float
    """Radians, clockwise; 0 for an upright person."""
    score: float = 1.0
    """The detector's, in [0, 1]; 1 where the square comes from joints."""


@dataclass(frozen=True, eq=False)
class Reading:
    """One person's joints in one picture."""

    joints: Float32 = field(repr=False)
    """(33, 2) pixels."""
    visibility: Float32 = field(repr=False)
    """(33,) in [0, 1]."""
    world: Float32 = field(repr=False)
    """(33, 3) metres, hip-centred."""
    messages: dict[str, Any] = field(repr=False)
    """The same as MediaPipe's own messages, for `Follower`."""


class PersonFinder:
    """Finds people anywhere in a picture; keeps nothing from one picture to the next."""

    def __init__(self, min_confidence: float) -> None:
        self._graph = _start(
            FIND_GRAPH, {FIND_THRESHOLD: min_confidence}, {}, ["detections", "rois"]
        )

    def find(self, picture: UInt8) -> list[Roi]:
        """Where people are.

        Args:
            picture: (H, W, 3) RGB.

        Returns:
            One square a person, surest first; empty when nobody is there.

        Raises:
            PipelineError: MediaPipe failed (`POSE_ERROR`).
        """
        answer = _process(self._graph, {"image": picture})
        if answer.detections is None or answer.rois is None:
            return []
        height, width = picture.shape[:2]
        people = [
            replace(_as_roi(rect, width, height), score=float(detection.score[0]))
            for rect, detection in zip(answer.rois, answer.detections, strict=True)
        ]
        return sorted(people, key=lambda roi: -roi.score)

    def close(self) -> None:
        """Give the graph's memory back."""
        self._graph.close()


class JointReader:
    """Reads one person's joints; keeps nothing from one picture to the next."""

    def __init__(self, min_confidence: float, model_complexity: int) -> None:
        side = {"model_complexity": model_complexity, "enable_segmentation": False}
        self._graph = _start(READ_GRAPH, {READ_THRESHOLD: min_confidence}, side, list(MESSAGES))

    def read(self, picture: UInt8, roi: Roi) -> Reading | None:
        """The joints of the person in a square.

        Args:
            picture: (H, W, 3) RGB.
            roi: Where the person is.

        Returns:
            The joints; None when the network says that nobody is there.

        Raises:
            PipelineError: MediaPipe failed (`POSE_ERROR`).
        """
        height, width = picture.shape[:2]
        answer = _process(self._graph, {"image": picture, "roi": _as_rect(roi, width, height)})
        messages = {name: getattr(answer, name) for name in MESSAGES}
        if any(message is None for message in messages.values()):
            return None
        raw = _values(messages["landmarks"])
        joints = raw[:, :2] * np.array([width, height], np.float32)
        return Reading(joints, raw[:, 3], _values(messages["world"])[:, :3], messages)

    def close(self) -> None:
        """Give the graph's memory back."""
        self._graph.close()


class Follower:
    """Says where one person will be looked for next; remembers that person's path."""

    def __init__(self) -> None:
        self._graph = _start(FOLLOW_GRAPH, {}, {"smooth_landmarks": False}, ["next_roi"])

    def follow(self, picture: UInt8, reading: Reading) -> Roi | None:
        """Take the person's newest joints in.

        Args:
            picture: (H, W, 3) RGB, in which the joints were read.
            reading: The joints.

        Returns:
            Where to look in the next picture; None when the joints give no square.

        Raises:
            PipelineError: MediaPipe failed (`POSE_ERROR`).
        """
        height, width = picture.shape[:2]
        rect = _process(self._graph, {"image": picture, **reading.messages}).next_roi
        return None if rect is None else _as_roi(rect, width, height)

    def close(self) -> None:
        """Give the graph's memory back."""
        self._graph.close()


def _start(
    config: str, thresholds: dict[str, float], side_inputs: dict[str, Any], outputs: list[str]
) -> _Graph:
    from mediapipe.python.solution_base import SolutionBase  # noqa: PLC0415 - heavy, and chatty

    graph: _Graph = SolutionBase(
        graph_config=config,
        calculator_params=thresholds,
        side_inputs=side_inputs,
        outputs=outputs,
    )
    return graph


def _process(graph: _Graph, inputs: dict[str, Any]) -> Any:  # noqa: ANN401 - made by MediaPipe
    """One run of a graph, its failure told in one sentence."""
    inputs["image"] = np.ascontiguousarray(inputs["image"])
    try:
        return graph.process(inputs)
    except (RuntimeError, ValueError) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PipelineError(Reason.POSE_ERROR, f"MediaPipe failed: {first_line}") from error


def _values(message: Any) -> Float32:  # noqa: ANN401 - a protobuf of MediaPipe's
    """(33, 4) x, y, z, visibility of a landmark list message."""
    points: Sequence[Any] = message.landmark
    return np.array([(p.x, p.y, p.z, p.visibility) for p in points], np.float32)


def _as_rect(roi: Roi, width: int, height: int) -> Any:  # noqa: ANN401 - a protobuf of MediaPipe's
    """A square as MediaPipe takes it: in shares of the picture's width and height."""
    from mediapipe.framework.formats.rect_pb2 import NormalizedRect  # noqa: PLC0415 - heavy

    return NormalizedRect(
        x_center=roi.x / width,
        y_center=roi.y / height,
        width=roi.width / width,
        height=roi.height / height,
        rotation=roi.rotation,
    )


def _as_roi(rect: Any, width: int, height: int) -> Roi:  # noqa: ANN401 - a protobuf of MediaPipe's
    """A square as MediaPipe gives it, back in pixels."""
    return Roi(
        rect.x_center * width,
        rect.y_center * height,
        rect.width * width,
        rect.height * height,
        rect.rotation,
    )
