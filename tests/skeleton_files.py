"""Skeleton files in mmaction2's layout, written for tests from real or made-up tracks."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.pose.joint_sets import COCO17, JOINT_SETS, shared_indices
from storage.rows import TrackRow


def coco_arrays(track: TrackRow) -> tuple[np.ndarray, np.ndarray]:
    """One person's keypoints (T, 17, 2) and scores (T, 17), float16, absent joints zero."""
    index = shared_indices(JOINT_SETS[track.joint_set], COCO17)
    scores = np.where(
        np.isfinite(track.joints[:, index]).all(axis=-1), track.confidence[:, index], 0
    )
    joints = np.where(scores[..., None] > 0, track.joints[:, index], 0)
    return joints.astype(np.float16), scores.astype(np.float16)


def annotation(
    name: str,
    persons: Sequence[tuple[np.ndarray, np.ndarray]],
    size: tuple[int, int] = (320, 240),
    label: int = 0,
) -> dict[str, Any]:
    """One entry; `persons` as `coco_arrays` gives them, all of the same length."""
    joints, scores = (np.stack(part) for part in zip(*persons, strict=True))
    return {
        "frame_dir": name,
        "label": label,
        "img_shape": size[::-1],
        "original_shape": size[::-1],
        "total_frames": joints.shape[1],
        "keypoint": joints,
        "keypoint_score": scores,
    }


def write(
    path: Path,
    annotations: Sequence[object],
    split: Mapping[str, Sequence[str]] | None = None,
    protocol: int = 4,
) -> Path:
    """The file; without splits the older layout, a bare list."""
    content = (
        list(annotations)
        if split is None
        else {"split": dict(split), "annotations": list(annotations)}
    )
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path
