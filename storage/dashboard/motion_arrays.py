"""A motion's numbers for the viewer: 3D joints, the 2D over its video, what is known of each."""

from typing import Any

import numpy as np

from pipeline.skeletons import HUMANML3D
from pipeline.views import project_view
from storage.catalog import MotionRecord
from storage.dashboard.asking import AskedMotion
from storage.dashboard.strict_json import Flat
from storage.rows import MotionRow, TrackRow, VideoRow

METRE_DIGITS = 4
PIXEL_DIGITS = 1
SHARE_DIGITS = 3


def arrays_of(record: MotionRecord) -> dict[str, Any]:
    """What the viewer plays: arrays flat, in the order of their axes; null where not known."""
    motion = record.motion
    return {
        **_skeleton(),
        "motion_id": motion.motion_id,
        "n_frames": motion.n_frames,
        "fps": float(motion.fps),
        "joints3d": _flat(motion.joints3d, METRE_DIGITS),
        "joint_mask": Flat(motion.joint_mask),
        "joint_confidence": _flat(motion.joint_confidence, SHARE_DIGITS),
        "joint_error": _flat(motion.joint_error, METRE_DIGITS),
        "overlay": _overlay(motion, record.track, record.video),
        "view2d": Flat(motion.view2d, METRE_DIGITS),
        "view_azimuth_deg": motion.view_azimuth_deg,
        "start_s": motion.start_s,
        "checkpoint_id": motion.lineage.checkpoint_id,
    }


def arrays_of_asked(made: AskedMotion) -> dict[str, Any]:
    """The same of a motion that a model made: nothing of it was seen, all of it is known."""
    return {
        **_skeleton(),
        "motion_id": None,
        "n_frames": len(made.joints3d),
        "fps": float(made.fps),
        "joints3d": Flat(made.joints3d, METRE_DIGITS),
        "joint_mask": Flat(np.ones(made.joints3d.shape[:2], bool)),
        "joint_confidence": None,
        "joint_error": None,
        "overlay": None,
        "view2d": Flat(project_view(made.joints3d.astype(np.float64), 0.0), METRE_DIGITS),
        "view_azimuth_deg": 0.0,
        "start_s": None,
        "checkpoint_id": None,
    }


def _skeleton() -> dict[str, Any]:
    return {"joint_names": list(HUMANML3D.joint_names), "parents": list(HUMANML3D.parents)}


def _flat(array: Any, digits: int) -> Flat | None:  # noqa: ANN401 - any float array or None
    return None if array is None else Flat(array, digits)


def _overlay(
    motion: MotionRow, track: TrackRow | None, video: VideoRow | None
) -> dict[str, Any] | None:
    """The cleaned joints over the motion's part of the track, in pixels of the shown picture."""
    if track is None or track.clean_joints is None or track.clean_mask is None:
        return None
    # By the clock: `start_frame` counts from the person's first frame, the cleaned joints from the
    # first motion's.
    fps, begin_s = float(track.clean_fps or HUMANML3D.fps), track.clean_start_s or 0.0
    first = max(round(((motion.start_s or begin_s) - begin_s) * fps), 0)
    part = slice(first, first + motion.n_frames)
    joints, mask = track.clean_joints[part], track.clean_mask[part]
    if not len(joints) or joints.shape[1] != HUMANML3D.n_joints:
        return None
    seen = np.where(mask[..., None], joints, np.nan)
    width, height = track.frame_width, track.frame_height
    return {
        **_skeleton(),
        "fps": fps,
        "start_s": begin_s + first / fps,
        "n_frames": len(joints),
        "width": width,
        "height": height,
        "video_fps": video.fps if video else None,
        "joints": Flat(seen, PIXEL_DIGITS),
        "mask": Flat(mask),
    }
