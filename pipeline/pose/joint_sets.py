"""The joint sets that pose estimators speak, as data: names, left/right pairs, edges to draw."""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class JointSet:
    """A named, ordered list of joints."""

    name: str
    joints: tuple[str, ...]
    """Joint names in storage order; the person's own left and right."""
    edge_names: tuple[tuple[str, str], ...]
    """Lines to draw, as pairs of joint names."""
    oks_sigmas: tuple[float, ...]
    """Per-joint spread of human annotations, as COCO's object keypoint similarity uses it."""

    def __post_init__(self) -> None:
        if len(self.oks_sigmas) != len(self.joints):
            raise ValueError(
                f"{self.name}: {len(self.oks_sigmas)} sigmas for {len(self.joints)} joints"
            )

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Place of a joint in storage order; raises ValueError for a name it does not have."""
        return self.joints.index(joint)

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Lines to draw, as pairs of joint indices."""
        return tuple((self.index(a), self.index(b)) for a, b in self.edge_names)

    @cached_property
    def left_right(self) -> tuple[tuple[int, int], ...]:
        """(left, right) index pairs, read off the names."""
        return tuple(
            (i, self.index(name.replace("left", "right")))
            for i, name in enumerate(self.joints)
            if "left" in name
        )


def _both_sides(*edges: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Each left-side edge followed by its mirror image."""
    mirrored = [(a.replace("left", "right"), b.replace("left", "right")) for a, b in edges]
    return tuple(edge for pair in zip(edges, mirrored, strict=True) for edge in pair)


_FACE_AND_LIMBS = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle"
)

_COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062),
    *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)

_LIMB_EDGES = _both_sides(
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
)
_TORSO_EDGES = (
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    *_both_sides(("left_shoulder", "left_hip")),
)

COCO17 = JointSet(
    name="coco17",
    joints=tuple(_FACE_AND_LIMBS.split()),
    edge_names=(
        *_LIMB_EDGES,
        *_TORSO_EDGES,
        ("left_eye", "right_eye"),
        *_both_sides(("nose", "left_eye"), ("left_eye", "left_ear"), ("left_ear", "left_shoulder")),
    ),
    oks_sigmas=_COCO_SIGMAS,
)
"""COCO's 17 keypoints, what RTMPose's COCO and Body8 models give."""

HALPE26 = JointSet(
    name="halpe26",
    joints=(
        *COCO17.joints,
        *("head", "neck", "hip", "left_big_toe", "right_big_toe"),
        *("left_small_toe", "right_small_toe", "left_heel", "right_heel"),
    ),
    edge_names=(
        *_LIMB_EDGES,
        ("head", "neck"),
        ("neck", "hip"),
        ("left_eye", "right_eye"),
        *_both_sides(
            ("neck", "left_shoulder"),
            ("left_hip", "hip"),
            ("nose", "left_eye"),
            ("left_eye", "left_ear"),
            ("left_ear", "left_shoulder"),
            ("left_ankle", "left_big_toe"),
            ("left_ankle", "left_small_toe"),
            ("left_ankle", "left_heel"),
        ),
    ),
    oks_sigmas=(*_COCO_SIGMAS, 0.026, 0.026, 0.066, *(0.079,) * 6),
)
"""COCO-17 plus head, neck, mid-hip and three points a foot: RTMPose's `halpe26` models."""

MEDIAPIPE33 = JointSet(
    name="mediapipe33",
    joints=(
        *("nose", "left_eye_inner", "left_eye", "left_eye_outer"),
        *("right_eye_inner", "right_eye", "right_eye_outer", "left_ear", "right_ear"),
        *("mouth_left", "mouth_right"),
        *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
        *("left_wrist", "right_wrist", "left_pinky", "right_pinky"),
        *("left_index", "right_index", "left_thumb", "right_thumb"),
        *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
        *("left_heel", "right_heel", "left_foot_index", "right_foot_index"),
    ),
    edge_names=(
        *_LIMB_EDGES,
        *_TORSO_EDGES,
        ("mouth_left", "mouth_right"),
        *_both_sides(
            ("nose", "left_eye_inner"),
            ("left_eye_inner", "left_eye"),
            ("left_eye", "left_eye_outer"),
            ("left_eye_outer", "left_ear"),
            ("left_wrist", "left_pinky"),
            ("left_wrist", "left_index"),
            ("left_wrist", "left_thumb"),
            ("left_pinky", "left_index"),
            ("left_ankle", "left_heel"),
            ("left_ankle", "left_foot_index"),
            ("left_heel", "left_foot_index"),
        ),
    ),
    # COCO's values for the joints COCO has; its neighbours' for the rest (eye corners and mouth as
    # eyes, fingers as wrists, feet as Halpe's toes).
    oks_sigmas=(
        *(0.026, *(0.025,) * 6, 0.035, 0.035, 0.025, 0.025),
        *(0.079, 0.079, 0.072, 0.072, *(0.062,) * 8),
        *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089, *(0.079,) * 4),
    ),
)
"""MediaPipe BlazePose's 33 landmarks."""

JOINT_SETS: dict[str, JointSet] = {s.name: s for s in (COCO17, HALPE26, MEDIAPIPE33)}


def shared_indices(source: JointSet, target: JointSet) -> list[int]:
    """Where each joint of `target` lies in `source`.

    Args:
        source: The set to read from, e.g. `MEDIAPIPE33`.
        target: The set wanted, e.g. `COCO17`.

    Returns:
        One index into `source` per joint of `target`.

    Raises:
        ValueError: `target` has a joint that `source` lacks.
    """
    missing = [joint for joint in target.joints if joint not in source.joints]
    if missing:
        raise ValueError(f"{source.name} has no {', '.join(missing)}")
    return [source.index(joint) for joint in target.joints]
