"""A skeleton file's clip to people, as `observe_clip` gives a video's: its 2D is already there."""

from pathlib import Path

from models.lifting.label_config import LabelConfig
from models.lifting.observing import WHOLE_FILE, ObservedClip, Person, check_length, choose_people
from pipeline.performer import score_people
from pipeline.reasons import PipelineError
from pipeline.skeleton_files import SkeletonRecord, skeleton_info
from pipeline.skeleton_tracks import skeleton_tracks
from pipeline.stopwatch import Stopwatch


def observe_skeletons(
    path: Path, record: SkeletonRecord, fps: float, config: LabelConfig, content_hash: str
) -> ObservedClip:
    """The people of one record; a failure ends up in the result.

    Args:
        path: The skeleton file.
        record: One of its records.
        fps: Frames a second of the clip.
        config: Settings that change the numbers.
        content_hash: The record's.
    """
    watch = Stopwatch()
    seen = ObservedClip(info=skeleton_info(path, record, content_hash, fps))
    try:
        tracks = skeleton_tracks(path, record, fps)
        scored = zip(tracks, score_people(tracks), strict=True)
        seen.people = [
            Person(WHOLE_FILE, n, track, part=part) for n, (track, part) in enumerate(scored)
        ]
        choose_people(seen, config)
        check_length(seen, config)
    except PipelineError as error:
        seen.reason, seen.detail = error.reason, error.detail
    seen.seconds["pose"] = watch.seconds
    return seen
