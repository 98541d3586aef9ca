"""One motion in full: its figures, where it comes from, who said what, what lies beside it."""

from typing import Any

from storage.catalog import MotionRecord
from storage.dashboard.browsing import ROW, rows_of
from storage.dashboard.deciding import told_history
from storage.dashboard.films import span_of
from storage.dashboard.records import find_record, require_row
from storage.dashboard.relabelled import versions_of_motion
from storage.dashboard.source_check import SourceCheck
from storage.dashboard.state import LiveStore
from storage.rows import MotionRow, TrackRow

QUALITY = (
    "quality_reprojection_error", "quality_coverage", "quality_mean_confidence",
    "quality_mask_share", "quality_foot_skating", "quality_jitter", "quality_spread",
    "second_opinion", "label_score", "label_error", "perspective_error",
)  # fmt: skip
PERSON = ("person_score", "score_size", "score_motion", "score_centrality", "score_duration")
LINEAGE = (
    "source_hash", "estimator_id", "checkpoint_id", "recipe_id", "code_version", "code_commit",
    "config_hash", "created_at",
)  # fmt: skip
NEIGHBOURS_SHOWN = 200
_NEIGHBOURS = """
SELECT motion_id, start_s, seconds, shot, track, verdict FROM shown
WHERE dataset = $dataset AND video_hash = $video ORDER BY start_s, motion_id LIMIT $most
"""


def look(
    live: LiveStore, sources: SourceCheck, motion_id: str, version: int | None
) -> dict[str, Any]:
    """Everything about a motion but its arrays.

    Args:
        live: The store.
        sources: Says whether its video is still there.
        motion_id: Which motion.
        version: A version of the store to show its label of; None is the newest.

    Raises:
        UnknownMotion: No motion has this id.
        StoreError: The store cannot be read.
    """
    row = require_row(live, motion_id)
    record = find_record(live, motion_id, version)
    motion, standing = record.motion, live.book.standings.get(motion_id)
    return {
        **{name: row[name] for name in ROW},
        **(_figures_of(motion) if version is not None else {}),
        "note": row["note"],
        "start_s": motion.start_s,
        "shot": motion.shot,
        "track": motion.track,
        "text_encoder": motion.text_encoder,
        "quality": {name: getattr(motion, name) for name in QUALITY},
        "lineage": _lineage(record),
        "person": _person(motion, record.track),
        "camera": _camera(motion, record.track),
        "original": {"captions": row["own_captions"], "split": row["own_split"]},
        "history": told_history(live.book.history(motion_id), standing),
        "neighbours": _neighbours(live, row),
        "versions": versions_of_motion(live, row),
        "video": _video(record, sources),
    }


def _figures_of(motion: MotionRow) -> dict[str, Any]:
    """The row's figures as another version of the store has them."""
    return {
        "label_score": motion.label_score,
        "label_error": motion.label_error,
        "reprojection": motion.quality_reprojection_error,
        "coverage": motion.quality_coverage,
        "skating": motion.quality_foot_skating,
        "has3d": motion.joints3d is not None,
        "n_frames": motion.n_frames,
    }


def _lineage(record: MotionRecord) -> dict[str, Any]:
    lineage = record.motion.lineage
    told = {name: getattr(lineage, name) for name in LINEAGE}
    video = record.video
    return told | {
        "source": record.motion.source,
        "video": video.name if video else None,
        "decoder": video.decoder if video else None,
        "shard_id": record.motion.shard_id,
    }


def _person(motion: MotionRow, track: TrackRow | None) -> dict[str, Any] | None:
    if track is None:
        return None
    told = {name.removeprefix("score_"): getattr(track, name) for name in PERSON[1:]}
    score = motion.person_score if motion.person_score is not None else track.person_score
    return {"score": score, "chosen": track.chosen, **told}


def _camera(motion: MotionRow, track: TrackRow | None) -> dict[str, Any]:
    return {
        "azimuth_deg": motion.view_azimuth_deg,
        "elevation_deg": motion.view_elevation_deg,
        "view_name": motion.view_name,
        "px_per_metre": motion.px_per_metre,
        "quality": motion.camera_quality,
        "used": track.camera_used if track else None,
    }


def _neighbours(live: LiveStore, row: dict[str, Any]) -> list[dict[str, Any]]:
    if row["video_hash"] is None:
        return []
    values = {"dataset": row["dataset"], "video": row["video_hash"], "most": NEIGHBOURS_SHOWN}
    with live.cursor() as cursor:
        found = rows_of(cursor, _NEIGHBOURS, values)
    return [
        {**other, "same_track": (other["shot"], other["track"]) == (row["shot"], row["track"])}
        for other in found
    ]


def _video(record: MotionRecord, sources: SourceCheck) -> dict[str, Any]:
    source, video = sources.find(record.video), record.video
    return {
        "available": source.path is not None,
        "note": source.note,
        "never": bool(source.never),
        "fps": video.fps if video else None,
        "width": video.width if video else None,
        "height": video.height if video else None,
        "duration_s": video.duration_s if video else None,
        "offset_s": span_of(record).offset_s,
    }
