"""What the drawing of films and pictures needs of rows."""

from pipeline.render import FilmMotion, FilmTrack
from pipeline.skeletons import HUMANML3D
from storage.rows import MotionRow, TrackRow


def film_motion(motion: MotionRow) -> FilmMotion:
    """What the drawing needs of a motion's row."""
    return FilmMotion(
        n_frames=motion.n_frames,
        joints3d=motion.joints3d,
        start_s=motion.start_s or 0.0,
        fps=motion.fps,
        view_azimuth_deg=motion.view_azimuth_deg or 0.0,
    )


def film_track(track: TrackRow | None) -> FilmTrack | None:
    """What the drawing needs of a track's row."""
    if track is None:
        return None
    return FilmTrack(
        joint_set=track.joint_set,
        times=track.times,
        joints=track.joints,
        confidence=track.confidence,
        clean_joints=track.clean_joints,
        clean_mask=track.clean_mask,
        clean_start_s=track.clean_start_s or 0.0,
        clean_fps=track.clean_fps or HUMANML3D.fps,
    )
