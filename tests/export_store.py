"""A store for the tests of exports: labelled samples, 2D only, a nasty id; nothing is captured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from motion_folders import vectors
from motion_store import ACTIONS, RECIPE, lineage, ok_rows, truth

from pipeline.representation2d import features_from_view
from pipeline.representation3d import recover_all_joints
from pipeline.skeletons import HUMANML3D
from pipeline.views import project_view
from storage.recipes import register_recipe
from storage.rows import MOCAP, MotionRow, ShardRows
from storage.shards import commit_shard
from storage.store import Store, create_store

DATASET = "samples"
CAPTURED = ("cmu_01", "Mcmu_01", "../../Übung <1>")
"""Ids of the captured motions, whose bones have the canonical lengths."""


def captured(motion_id: str, seed: int, rows: int = 60) -> MotionRow:
    """A motion as `crossdiff prepare` stores them, in two sentences."""
    features = vectors(seed, rows)
    joints = recover_all_joints(features, HUMANML3D)
    view = project_view(joints.astype(np.float64), 0.0).astype(np.float32)
    return MotionRow(
        motion_id=motion_id, dataset="mocap", fps=20.0, view2d=view, source_kind=MOCAP,
        features2d=features_from_view(view, HUMANML3D), joint_mask=np.ones((rows + 1, 22), bool),
        joints3d=joints, features3d=features, lineage=replace(lineage("ab" * 32), source_hash=None),
        captions=("a man # walks", "he turns\nleft"), tokens=("a/DET man/NOUN", "he/PRON"),
        caption_embeddings=np.zeros((2, 4), np.float32), text_encoder="none",
        mirrored=motion_id.startswith("M"), action="walk", split="val" if seed == 2 else "train",
    )  # fmt: skip


def make_export_store(folder: Path, samples: Path) -> Store:
    """Three samples of which the last is 2D only, and `CAPTURED`."""
    store = create_store(folder / "store")
    videos, tracks, motions = (
        list(kind)
        for kind in zip(*(ok_rows(truth(samples, a), DATASET) for a in ACTIONS), strict=True)
    )
    motions[-1] = replace(motions[-1], joints3d=None, features3d=None)
    captures = [captured(name, seed) for seed, name in enumerate(CAPTURED)]
    for dataset, shard in (
        (DATASET, (videos, tracks, motions)), ("mocap", ((), (), captures)),
    ):  # fmt: skip
        register_recipe(store, dataset, RECIPE)
        commit_shard(store, ShardRows(dataset, "s1", RECIPE.recipe_id, *shard))
    return store
