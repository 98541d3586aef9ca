"""Rows with the shapes of real ones, a function of a number alone: for the tests of the store."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from storage.arrow_rows import same_content
from storage.lineage import Lineage, Recipe, make_lineage
from storage.recipes import register_recipe
from storage.rows import MotionRow, ShardRows, TrackRow, VideoRow, motion_id
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.shards import commit_shard
from storage.store import Store, create_store

RECIPE = Recipe("mediapipe-0.10.21", "crossdiff-small", {"normalise": {"max_gap_s": 0.5}})
JOINTS = 22
DETECTOR_JOINTS = 33


def lineage(source_hash: str, recipe: Recipe = RECIPE) -> Lineage:
    return replace(make_lineage(recipe, {"shard_size": 4}), source_hash=source_hash)


def video_hash(number: int) -> str:
    return hashlib.sha256(f"video {number}".encode()).hexdigest()


def is_failed(number: int) -> bool:
    return number % 5 == 4


def persons(number: int) -> int:
    return 0 if is_failed(number) else 1 + number % 2


def video_row(number: int, dataset: str = "demo") -> VideoRow:
    failed = is_failed(number)
    h = video_hash(number)
    return VideoRow(
        dataset=dataset,
        video_hash=h,
        path=f"/clips/v_YoYo_g01_c{number:02d}.avi",
        name=f"YoYo/v_YoYo_g01_c{number:02d}.avi",
        lineage=lineage(h),
        status="failed" if failed else "ok",
        reason="no_person" if failed else None,
        detail="no person in any frame" if failed else None,
        action="YoYo" if number % 2 else "Archery",
        group="g01",
        clip=f"c{number:02d}",
        size_bytes=1000 + number,
        width=320,
        height=240,
        rotation_deg=0,
        fps=25.0,
        frames_header=101,
        frames_decoded=100,
        duration_s=4.0,
        decoder="decord",
        warnings=("header_frame_count",),
        motions=0 if failed else 1,
        chosen_person=None if failed else "track 0: largest, seen in every frame",
        seconds_decode=0.25,
        seconds_pose=1.5,
    )


def track_row(number: int, track: int, dataset: str = "demo", noise: float = 0.0) -> TrackRow:
    rng = np.random.default_rng([number, track])
    t = 12 + number % 7
    joints = (rng.normal(100, 30, (t, DETECTOR_JOINTS, 2)) + noise).astype(np.float32)
    joints[1, 3] = np.nan
    h = video_hash(number)
    return TrackRow(
        dataset=dataset,
        video_hash=h,
        shot=0,
        track=track,
        joint_set="mediapipe33",
        frame_width=320,
        frame_height=240,
        times=np.arange(t, dtype=np.float64) / 25,
        joints=joints,
        confidence=rng.uniform(0, 1, (t, DETECTOR_JOINTS)).astype(np.float32),
        lineage=lineage(h),
        chosen=track == 0,
        score=0.5,
        clean_joint_set="humanml3d22",
        clean_fps=20.0,
        clean_start_s=0.0,
        clean_joints=rng.normal(0, 1, (t, JOINTS, 2)).astype(np.float32),
        clean_mask=rng.uniform(0, 1, (t, JOINTS)) > 0.2,
        world_joints=rng.normal(0, 0.5, (t, DETECTOR_JOINTS, 3)).astype(np.float32),
        pixel_aspect=1.25,
    )


def motion_row(number: int, dataset: str = "demo", noise: float = 0.0) -> MotionRow:
    rng = np.random.default_rng([number, 99])
    t = 16 + number % 5
    h = video_hash(number)

    def normal(*shape: int) -> np.ndarray:
        return (rng.normal(0, 1, shape) + noise).astype(np.float32)

    return MotionRow(
        motion_id=motion_id(dataset, h, 0, 0),
        dataset=dataset,
        fps=20.0,
        view2d=normal(t, JOINTS, 2),
        features2d=normal(t - 1, 134),
        joint_mask=rng.uniform(0, 1, (t, JOINTS)) > 0.1,
        lineage=lineage(h),
        joints3d=normal(t, JOINTS, 3),
        features3d=normal(t - 1, 263),
        feature_mask2d=rng.uniform(0, 1, (t - 1, 134)) > 0.1,
        video_hash=h,
        shot=0,
        track=0,
        start_s=0.0,
        px_per_metre=110.0,
        captions=("a person plays with a yo-yo", "someone does yo-yo tricks"),
        action="YoYo" if number % 2 else "Archery",
        split="train" if number % 3 else "test",
        quality_coverage=0.9,
        quality_jitter=None,
    )


def shard(numbers: Iterable[int], dataset: str = "demo", noise: float = 0.0) -> ShardRows:
    chosen = list(numbers)
    name = hashlib.sha256(repr((chosen, noise)).encode()).hexdigest()[:12]
    return ShardRows(
        dataset=dataset,
        shard_id=name,
        recipe_id=RECIPE.recipe_id,
        videos=[video_row(n, dataset) for n in chosen],
        tracks=[track_row(n, k, dataset, noise) for n in chosen for k in range(persons(n))],
        motions=[motion_row(n, dataset, noise) for n in chosen if not is_failed(n)],
    )


def stored(store: Store, table: str) -> pa.Table:
    """All rows of a table as they lie on disk, visible or not."""
    return store.snapshot(table).read()


def assert_same_store(a: Store, b: Store) -> None:
    """Both hold the same rows, bit for bit, but for times and the names of shards."""
    for spec in (VIDEOS, TRACKS, MOTIONS):
        left, right = stored(a, spec.name), stored(b, spec.name)
        assert left.num_rows == right.num_rows, spec.name
        assert same_content(left, right, spec), spec.name


def assert_keys_once(store: Store) -> None:
    for spec in (VIDEOS, TRACKS, MOTIONS):
        rows = stored(store, spec.name).select(list(spec.key)).to_pylist()
        keys = [tuple(row.values()) for row in rows]
        assert len(keys) == len(set(keys)), f"doubled keys in {spec.name}"


def unbroken(folder: Path, numbers: Iterable[int], noise: float = 0.0) -> Store:
    """The store that one undisturbed run makes."""
    store = create_store(folder)
    register_recipe(store, "demo", RECIPE)
    commit_shard(store, shard(numbers, noise=noise))
    return store


def committed_shards(folder: Path) -> int:
    """Commits to `videos` so far, counted from outside the process that writes."""
    return len(list((folder / "videos" / "_delta_log").glob("*.json")))
