"""A small store of the sample clips with their true joints: for the tests of what is shown."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.quality import label_quality
from pipeline.representation2d import features_from_view
from pipeline.representation3d import features_from_canonical
from pipeline.skeletons import HUMANML3D
from pipeline.video import content_hash
from pipeline.views import UNITS_PER_METRE
from storage.lineage import Lineage, Recipe, make_lineage
from storage.recipes import register_recipe
from storage.rows import MotionRow, ShardRows, TrackRow, VideoRow, motion_id
from storage.shards import commit_shard
from storage.store import Store, create_store

RECIPE = Recipe("truth-1.0", "none-of-ours", {"cleaning": {"fps": 20.0}})
ACTIONS = ("Cartwheel", "JumpingJack", "SitDown")
VIDEO_FPS = 25.0
SKIPPED = 8
"""Frames (20 fps) of each clip before the motion begins, and after it ends."""
NASTY = "<script>alert('x')</script>.avi"


@dataclass(frozen=True)
class Truth:
    """A sample clip with its joints."""

    action: str
    path: Path
    joints3d: np.ndarray
    """(T, 22, 3) metres at 20 fps."""
    pixels: np.ndarray
    """(N, 22, 2) at 25 fps."""
    coco: np.ndarray
    """(N, 17, 2) pixels at 25 fps."""
    caption: str


def truth(samples: Path, action: str) -> Truth:
    stem = samples / action / f"v_{action}_g01_c01"
    with np.load(f"{stem}.truth.npz", allow_pickle=False) as data:
        return Truth(
            action,
            stem.with_suffix(".avi"),
            data["joints3d_20fps"],
            data["joints2d_px"],
            data["coco17_2d_px"],
            str(data["caption"]),
        )


def lineage(video_hash: str) -> Lineage:
    return replace(make_lineage(RECIPE, {"shard_size": 4}), source_hash=video_hash)


def ok_rows(clip: Truth, dataset: str) -> tuple[VideoRow, TrackRow, MotionRow]:
    h = content_hash(clip.path)
    n = len(clip.coco)
    video = VideoRow(
        dataset=dataset, video_hash=h, path=str(clip.path), lineage=lineage(h), motions=1,
        name=f"{clip.action}/{clip.path.name}", action=clip.action, width=320, height=240,
        fps=VIDEO_FPS, frames_header=n + 1, frames_decoded=n, duration_s=n / VIDEO_FPS,
        decoder="decord", warnings=("header_frame_count",), seconds_decode=0.1,
        seconds_pose=n * 0.03, seconds_normalise=0.06, seconds_lift=0.4,
    )  # fmt: skip
    return video, track_row(clip, h, dataset), motion_row(clip, h, dataset)


def track_row(clip: Truth, video_hash: str, dataset: str) -> TrackRow:
    n = len(clip.coco)
    confidence = np.full((n, 17), 0.9, np.float32)
    confidence[n // 3 : n // 2, 9] = 0.1
    grid = np.arange(len(clip.joints3d)) / HUMANML3D.fps
    clean = np.stack([clip.pixels[min(round(t * VIDEO_FPS), n - 1)] for t in grid])
    mask = np.ones((len(grid), 22), bool)
    mask[20:30, 20] = False
    clean[~mask] = 0.0
    return TrackRow(
        dataset=dataset, video_hash=video_hash, shot=0, track=0, joint_set="coco17",
        frame_width=320, frame_height=240, times=np.arange(n) / VIDEO_FPS, joints=clip.coco,
        confidence=confidence, lineage=lineage(video_hash), chosen=True, score=0.4,
        clean_joint_set=HUMANML3D.name, clean_fps=HUMANML3D.fps,
        clean_start_s=SKIPPED / HUMANML3D.fps, clean_joints=clean[SKIPPED:-SKIPPED],
        clean_mask=mask[SKIPPED:-SKIPPED],
    )  # fmt: skip


def motion_row(clip: Truth, video_hash: str, dataset: str) -> MotionRow:
    joints = clip.joints3d[SKIPPED:-SKIPPED]
    frames = np.rint(np.arange(len(clip.joints3d)) / HUMANML3D.fps * VIDEO_FPS).astype(int)
    pixels = clip.pixels[frames.clip(0, len(clip.pixels) - 1)][SKIPPED:-SKIPPED]
    view = ((pixels - pixels[0, 0]) * [1.0, -1.0] * UNITS_PER_METRE / 90.0).astype(np.float32)
    seen = np.ones((len(joints), 22), bool)
    quality = label_quality(joints, view, seen, seen.astype(np.float32) * 0.9, HUMANML3D)
    return MotionRow(
        motion_id=motion_id(dataset, video_hash, 0, 0), dataset=dataset, fps=HUMANML3D.fps,
        view2d=view, features2d=features_from_view(view, HUMANML3D), joint_mask=seen,
        joints3d=joints, features3d=features_from_canonical(joints.astype(np.float64), HUMANML3D),
        lineage=lineage(video_hash), video_hash=video_hash, shot=0, track=0, start_frame=SKIPPED,
        start_s=SKIPPED / HUMANML3D.fps, px_per_metre=90.0, view_azimuth_deg=quality.azimuth_deg,
        captions=(clip.caption,), action=clip.action, split="train",
        quality_reprojection_error=quality.reprojection_m, quality_coverage=1.0,
        quality_mean_confidence=quality.mean_confidence, quality_mask_share=quality.masked_share,
        quality_foot_skating=quality.foot_skating, quality_jitter=quality.jitter,
    )  # fmt: skip


def failed_row(dataset: str, number: int, reason: str, name: str, detail: str) -> VideoRow:
    h = f"{number:064x}"
    return VideoRow(
        dataset=dataset, video_hash=h, path=f"/clips/{name}", name=name, lineage=lineage(h),
        status="failed", reason=reason, detail=detail, action="Cartwheel", seconds_decode=0.01,
    )  # fmt: skip


def make_store(folder: Path, samples: Path, dataset: str = "samples") -> Store:
    """Three motions of videos that are copied into `folder/clips`, and three failures."""
    clips = folder / "clips"
    clips.mkdir(parents=True)
    rows = []
    for action in ACTIONS:
        clip = truth(samples, action)
        copied = Path(shutil.copy(clip.path, clips))
        rows.append(ok_rows(replace(clip, path=copied), dataset))
    failed = [
        failed_row(dataset, 1, "no_person", "Empty/v_Empty_g01_c01.avi", "no person in any frame"),
        failed_row(dataset, 2, "not_a_video", NASTY, "no decoder knows <b>it</b> & its kind"),
        failed_row(dataset, 3, "not_a_video", "notes.txt", "no decoder recognises the content"),
    ]
    store = create_store(folder / "store")
    register_recipe(store, dataset, RECIPE)
    videos, tracks, motions = (list(kind) for kind in zip(*rows, strict=True))
    shard = ShardRows(dataset, "s1", RECIPE.recipe_id, [*videos, *failed], tracks, motions)
    commit_shard(store, shard)
    return store
