"""What a processed clip becomes in the tables."""

from dataclasses import replace

from flows.ingest_plan import PlannedClip
from models.lifting.labelling import ClipResult, LabelledMotion
from pipeline.skeletons import HUMANML3D
from pipeline.splits import split_of
from storage.lineage import Lineage
from storage.rows import FAILED, OK, MotionRow, TrackRow, VideoRow, motion_id

FIRST_SHOT = 0
"""Shots are not cut yet: a file is one shot."""


def video_row(clip: PlannedClip, result: ClipResult, dataset: str, lineage: Lineage) -> VideoRow:
    """The row that says the file is done, how it went, and what it cost."""
    info, source = result.info, clip.source
    return VideoRow(
        dataset=dataset,
        video_hash=clip.video_hash,
        path=source.place,
        name=source.name,
        aliases=clip.aliases,
        action=source.action,
        group=None if source.group is None else f"{source.group:02d}",
        clip=None if source.clip is None else f"{source.clip:02d}",
        size_bytes=info.size_bytes if info else None,
        width=info.width if info else None,
        height=info.height if info else None,
        rotation_deg=info.rotation_deg if info else None,
        fps=info.fps if info else None,
        frames_header=info.frames_header if info else None,
        frames_decoded=info.frames_decoded if info else None,
        duration_s=info.duration_s if info else None,
        decoder=info.decoder if info else None,
        warnings=info.warnings if info else (),
        status=FAILED if result.reason else OK,
        reason=result.reason.value if result.reason else None,
        detail=result.detail,
        motions=len(result.motions),
        chosen_person=result.choice.why if result.choice else None,
        seconds_decode=result.seconds["decode"],
        seconds_pose=result.seconds["pose"],
        seconds_normalise=result.seconds["normalise"],
        seconds_lift=result.seconds["lift"],
        lineage=_of_clip(lineage, clip),
    )


def track_rows(
    clip: PlannedClip, result: ClipResult, dataset: str, lineage: Lineage
) -> list[TrackRow]:
    """Every person that was followed; the chosen one with its cleaned joints."""
    return [
        _track_row(clip, result, number, dataset, lineage) for number in range(len(result.tracks))
    ]


def _track_row(
    clip: PlannedClip, result: ClipResult, number: int, dataset: str, lineage: Lineage
) -> TrackRow:
    track, choice = result.tracks[number], result.choice
    chosen = choice is not None and choice.index == number
    cleaned = result.cleaned if chosen else None
    return TrackRow(
        dataset=dataset,
        video_hash=clip.video_hash,
        shot=FIRST_SHOT,
        track=number,
        joint_set=track.pose.joint_set,
        frame_width=track.pose.frame_size[0],
        frame_height=track.pose.frame_size[1],
        times=track.pose.times,
        joints=track.pose.joints,
        confidence=track.pose.confidence,
        chosen=chosen,
        score=choice.score if choice is not None and chosen else None,
        clean_joint_set=HUMANML3D.name if cleaned else None,
        clean_fps=HUMANML3D.fps if cleaned else None,
        clean_start_s=cleaned.start_s if cleaned else None,
        clean_joints=cleaned.pixels if cleaned else None,
        clean_mask=cleaned.seen if cleaned else None,
        lineage=_of_clip(lineage, clip),
    )


def motion_rows(
    clip: PlannedClip, result: ClipResult, dataset: str, lineage: Lineage
) -> list[MotionRow]:
    """One training sample per unbroken run of the chosen person."""
    if result.choice is None:
        return []
    track = result.tracks[result.choice.index]
    return [
        _motion_row(clip, motion, dataset, result.choice.index, track.coverage, lineage)
        for motion in result.motions
    ]


def _motion_row(
    clip: PlannedClip,
    motion: LabelledMotion,
    dataset: str,
    track: int,
    coverage: float,
    lineage: Lineage,
) -> MotionRow:
    source, quality = clip.source, motion.quality
    recording = clip.video_hash if source.group is None else f"{source.action}/{source.group}"
    return MotionRow(
        motion_id=motion_id(dataset, clip.video_hash, FIRST_SHOT, track, motion.start_frame),
        dataset=dataset,
        video_hash=clip.video_hash,
        shot=FIRST_SHOT,
        track=track,
        start_frame=motion.start_frame,
        start_s=motion.start_s,
        fps=HUMANML3D.fps,
        joint_set=HUMANML3D.name,
        joints3d=motion.joints3d,
        features3d=motion.features3d,
        view2d=motion.view,
        features2d=motion.features2d,
        joint_mask=motion.seen,
        feature_mask3d=motion.mask3d,
        feature_mask2d=motion.mask2d,
        px_per_metre=motion.px_per_metre,
        view_azimuth_deg=quality.azimuth_deg,
        captions=(source.caption,) if source.caption else (),
        action=source.action,
        split=split_of(recording),
        quality_reprojection_error=quality.reprojection_m,
        quality_coverage=coverage,
        quality_mean_confidence=quality.mean_confidence,
        quality_mask_share=quality.masked_share,
        quality_foot_skating=quality.foot_skating,
        quality_jitter=quality.jitter,
        lineage=_of_clip(lineage, clip),
    )


def _of_clip(lineage: Lineage, clip: PlannedClip) -> Lineage:
    return replace(lineage, source_hash=clip.video_hash)
