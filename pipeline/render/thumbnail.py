"""Small still pictures of a motion as JPEG bytes, for a page."""

import cv2
import numpy as np

from pipeline.arrays import AnyFloat, UInt8
from pipeline.render.camera import AZIMUTH_DEG
from pipeline.render.overlay import draw_pose
from pipeline.render.panels import video_panel
from pipeline.render.skeleton3d import draw_scene, skeleton_scene
from pipeline.render.subjects import CleanedPose, DetectedPose

HEIGHT_PX = 240
JPEG_QUALITY = 78


def thumbnail(
    frame: UInt8,
    detected: DetectedPose | None = None,
    cleaned: CleanedPose | None = None,
    height_px: int = HEIGHT_PX,
) -> bytes:
    """A video frame with the joints drawn over it.

    Args:
        frame: (H, W, 3) RGB.
        detected: The detector's joints, in the frame's pixels.
        cleaned: The 22 cleaned joints, in the frame's pixels.
        height_px: Height of the thumbnail; pictures wider than 2:1 get bars.

    Returns:
        A JPEG file's bytes.
    """
    panel = video_panel((frame.shape[1], frame.shape[0]), height_px)
    picture = panel.scaled(frame)
    draw_pose(picture, panel.scale, detected, cleaned)
    return jpeg(panel.framed(picture))


def skeleton_thumbnail(
    joints3d: AnyFloat,
    fps: float,
    frame: float | None = None,
    size: tuple[int, int] = (HEIGHT_PX, HEIGHT_PX),
    azimuth_deg: float = AZIMUTH_DEG,
) -> bytes:
    """One pose of a motion, drawn with the camera that its film has.

    Args:
        joints3d: (T, 22, 3) metres, y up.
        fps: Frames a second.
        frame: Frame number; None takes the middle one.
        size: (width, height), pixels.
        azimuth_deg: Turn of the body about y.

    Returns:
        A JPEG file's bytes.

    Raises:
        ValueError: The joints have another shape or are not finite.
    """
    scene = skeleton_scene(joints3d, fps, size, azimuth_deg)
    return jpeg(draw_scene(scene, (scene.n_frames - 1) / 2 if frame is None else frame))


def jpeg(picture: UInt8, quality: int = JPEG_QUALITY) -> bytes:
    """A (H, W, 3) RGB picture as a JPEG file's bytes."""
    done, coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} could not be coded as JPEG")
    return np.asarray(coded, np.uint8).tobytes()
