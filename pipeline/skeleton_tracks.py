"""The persons of a skeleton file's clip, followed as a video's are."""

from pathlib import Path

import numpy as np

from pipeline.arrays import Float32
from pipeline.pose.joint_sets import COCO17
from pipeline.pose.protocol import FramePersons, PersonTrack, trusted_confidence
from pipeline.reasons import PipelineError, Reason
from pipeline.skeleton_files import SkeletonRecord
from pipeline.tracking import link_persons


def skeleton_tracks(path: Path, record: SkeletonRecord, fps: float) -> list[PersonTrack]:
    """The persons of a record, followed.

    In these files a person's place along M is that of a detection in its frame, and need not be
    the same person in the next: where there are several they are linked as a video's are.

    Args:
        path: The file.
        record: One of its records.
        fps: Frames a second, which the file does not say.

    Raises:
        PipelineError: `bad_record`, or `no_person` when nobody has a score above 0.
    """
    if record.keypoints is None or record.scores is None:
        raise PipelineError(Reason.BAD_RECORD, record.problem or "it holds no keypoints")
    try:
        with path.open("rb") as file:
            joints, scores = (a.read(file) for a in (record.keypoints, record.scores))
    except (OSError, ValueError) as error:
        raise PipelineError(Reason.UNREADABLE, f"its place in {path.name} is gone") from error
    pose, confidence = _detected(joints.astype(np.float32), scores.astype(np.float32), record.size)
    if not (confidence > 0).any():
        raise PipelineError(Reason.NO_PERSON, "no keypoint in any frame has a score above 0")
    times = np.arange(record.frames) / fps
    frames = [
        FramePersons(pose[:, t][there], confidence[:, t][there])
        for t, there in enumerate((confidence > 0).any(axis=2).T)
    ]
    return link_persons(frames, times, COCO17.name, record.size)


def _detected(joints: Float32, scores: Float32, size: tuple[int, int]) -> tuple[Float32, Float32]:
    """(M, T, 17, 2) with NaN, and (M, T, 17) with 0, where nothing was detected."""
    known = np.isfinite(joints).all(axis=-1) & np.isfinite(scores) & (scores > 0)
    confidence = trusted_confidence(joints, np.where(known, scores, 0.0), size)
    return np.where(known[..., None], joints, np.nan).astype(np.float32), confidence
