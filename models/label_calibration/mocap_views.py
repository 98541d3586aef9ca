"""Motion capture through a poor detector: views with truth, as many as one likes."""

import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from models.data.motion import Motion
from models.label_calibration.known_views import KnownView
from models.label_calibration.rough_video import PICTURE_PX, rough_clip
from models.lifting.pseudo_label import ViewFacts
from pipeline.arrays import AnyFloat, Float32
from pipeline.cleaning import clean_pose
from pipeline.cleaning_config import CleaningConfig
from pipeline.pixels_to_view import project_run
from pipeline.reasons import PipelineError
from pipeline.skeletons import Skeleton

MOCAP = "mocap"
LONGEST_FRAMES = 120
"""A motion is cut to this many frames, 6 s: labels of real clips are about as long."""


def mocap_views(
    motions: Iterable[Motion], skeleton: Skeleton, *, seed: int, draws: int = 1
) -> Iterator[KnownView]:
    """Each motion filmed and detected `draws` times; those that give no view are passed over.

    Args:
        motions: With known 3D.
        skeleton: Of the motions.
        seed: Of all that is drawn; a motion's views do not depend on the other motions.
        draws: Views a motion.
    """
    for motion in motions:
        for draw in range(draws):
            stream = (seed, zlib.crc32(motion.motion_id.encode()), draw)
            joints = _stretch(motion.joints * skeleton.metres_per_unit, stream)
            view = _view(joints, skeleton, stream, f"{motion.motion_id}#{seed}.{draw}")
            if view is not None:
                yield view


def _stretch(joints: AnyFloat, stream: tuple[int, ...]) -> Float32:
    rng = np.random.default_rng((*stream, 1))
    spare = len(joints) - LONGEST_FRAMES
    start = int(rng.integers(spare + 1)) if spare > 0 else 0
    return joints[start : start + LONGEST_FRAMES].astype(np.float32)


def _view(
    joints: Float32, skeleton: Skeleton, stream: tuple[int, ...], name: str
) -> KnownView | None:
    """The longest run of what a poor detector gives, and the truth of its frames."""
    clip = rough_clip(joints, skeleton, stream)
    runs = clean_pose(clip.pose, CleaningConfig())
    if not runs:
        return None
    run = max(runs, key=lambda each: len(each.seen))
    try:
        view = project_run(run)
    except PipelineError:
        return None
    return KnownView(
        name=name,
        group=name.split("#", maxsplit=1)[0],
        source=MOCAP,
        joints=view.joints,
        seen=view.seen,
        confidence=run.confidence,
        truth=clip.truth[run.start_frame : run.start_frame + len(run.seen)],
        facts=ViewFacts(px_per_metre=view.px_per_metre, picture=PICTURE_PX),
    )
