"""What a processed clip becomes in the tables."""

from dataclasses import replace
from typing import Any

from flows.ingest_plan import PlannedClip
from flows.label_columns import label_columns
from models.lifting.labelling import ClipResult, LabelledMotion, LabelledPerson
from models.lifting.observing import Person
from pipeline.skeletons import HUMANML3D
from pipeline.splits import split_of
from storage.lineage import Lineage
from storage.rows import FAILED, OK, MotionRow, TrackRow, VideoRow, motion_id


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
        chosen_person=_who(result),
        seconds_decode=result.seconds["decode"],
        seconds_pose=result.seconds["pose"],
        seconds_normalise=result.seconds["normalise"],
        seconds_lift=result.seconds["lift"],
        lineage=_of_clip(lineage, clip),
    )


def _who(result: ClipResult) -> str | None:
    """Who was chosen and why, in words; None when nobody was found."""
    told = [each.person.choice.why for each in result.wanted if each.person.choice is not None]
    return "; ".join(told) if told else None


def track_rows(
    clip: PlannedClip, result: ClipResult, dataset: str, lineage: Lineage
) -> list[TrackRow]:
    """Every person that was followed; those who became motion with their cleaned joints."""
    aspect = result.info.pixel_aspect if result.info else None
    return [_track_row(clip, each, dataset, lineage, aspect) for each in result.people]


def _track_row(
    clip: PlannedClip,
    each: LabelledPerson,
    dataset: str,
    lineage: Lineage,
    pixel_aspect: float | None,
) -> TrackRow:
    person, cleaned = each.person, each.cleaned
    pose, choice = person.track.pose, person.choice
    return TrackRow(
        dataset=dataset,
        video_hash=clip.video_hash,
        shot=person.shot,
        track=person.number,
        joint_set=pose.joint_set,
        frame_width=pose.frame_size[0],
        frame_height=pose.frame_size[1],
        times=pose.times,
        joints=pose.joints,
        confidence=pose.confidence,
        world_joints=person.track.world,
        pixel_aspect=pixel_aspect,
        chosen=person.wanted,
        score=choice.score if choice is not None else None,
        reason=each.reason.value if each.reason else None,
        **_part(person),
        camera=person.camera_at(pose.times),
        camera_quality=person.camera.quality if person.camera else None,
        camera_used=person.camera_used if person.camera else None,
        clean_joint_set=HUMANML3D.name if cleaned else None,
        clean_fps=HUMANML3D.fps if cleaned else None,
        clean_start_s=cleaned.start_s if cleaned else None,
        clean_joints=cleaned.pixels if cleaned else None,
        clean_mask=cleaned.seen if cleaned else None,
        lineage=_of_clip(lineage, clip),
    )


def _part(person: Person) -> dict[str, Any]:
    """How likely the person performs the action, and what that is made of."""
    part = person.part
    if part is None:
        return {}
    return {
        "person_score": part.total,
        "score_size": part.size,
        "score_motion": part.motion,
        "score_centrality": part.centrality,
        "score_duration": part.duration,
    }


def motion_rows(
    clip: PlannedClip, result: ClipResult, dataset: str, lineage: Lineage
) -> list[MotionRow]:
    """One training sample per unbroken run of each person who became motion."""
    return [
        _motion_row(clip, each, motion, dataset, lineage)
        for each in result.people
        for motion in each.motions
    ]


def _motion_row(
    clip: PlannedClip,
    each: LabelledPerson,
    motion: LabelledMotion,
    dataset: str,
    lineage: Lineage,
) -> MotionRow:
    source, quality, person = clip.source, motion.quality, each.person
    recording = clip.video_hash if source.group is None else f"{source.action}/{source.group}"
    return MotionRow(
        motion_id=motion_id(
            dataset, clip.video_hash, person.shot, person.number, motion.start_frame
        ),
        dataset=dataset,
        video_hash=clip.video_hash,
        shot=person.shot,
        track=person.number,
        start_frame=motion.start_frame,
        start_s=motion.start_s,
        fps=HUMANML3D.fps,
        joint_set=HUMANML3D.name,
        joints3d=motion.joints3d,
        features3d=motion.features3d,
        view2d=motion.view,
        features2d=motion.features2d,
        joint_mask=motion.seen,
        joint_confidence=motion.confidence,
        visible=motion.visible,
        feature_mask3d=motion.mask3d,
        feature_mask2d=motion.mask2d,
        px_per_metre=motion.px_per_metre,
        person_score=person.part.total if person.part else None,
        camera_quality=person.camera.quality if person.camera else None,
        captions=(source.caption,) if source.caption else (),
        action=source.action,
        split=split_of(recording),
        quality_coverage=person.track.coverage,
        quality_mean_confidence=quality.mean_confidence,
        quality_mask_share=quality.masked_share,
        lineage=_of_clip(lineage, clip),
        **(label_columns(motion.label) if motion.label else {}),
    )


def _of_clip(lineage: Lineage, clip: PlannedClip) -> Lineage:
    return replace(lineage, source_hash=clip.video_hash)
