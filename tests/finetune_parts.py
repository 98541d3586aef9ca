"""A tiny parent, motion capture and videos of a few recordings: what finetunings begin with."""

import contextlib
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from mocap_archives import Hashed
from motion_store import RECIPE, lineage, ok_rows, truth
from no_prefect import without_prefect
from synthetic_motion import random_motions
from training_victim import TINY

from flows.finetune_options import FinetuneOptions
from models.checkpoint import save_checkpoint
from models.data.motion_files import write_motions
from models.data.training_data import training_statistics
from models.network import CrossDiff
from pipeline.representation2d import features_from_view
from pipeline.skeletons import HUMANML3D
from storage.recipes import register_recipe
from storage.rows import ShardRows, motion_id
from storage.shards import commit_shard
from storage.store import Store, create_store

ACTIONS = ("Cartwheel", "JumpingJack")
RECORDINGS = 3
"""Of each action."""
FRAMES = 44
DATASET = "films"


@dataclass(frozen=True)
class Parts:
    """Files that a finetuning reads."""

    mocap: Path
    wild: Path
    parent: Path

    def options(self, out: Path, **changes: object) -> FinetuneOptions:
        """A finetuning of a few steps."""
        steps = {"steps": 3, "batch_size": 4, "learning_rate": 1e-3, "validate_every": 100}
        plain = FinetuneOptions(
            out=out, data=str(self.mocap), wild=str(self.wild), checkpoint=self.parent,
            changes=steps,
        )  # fmt: skip
        return replace(plain, **changes)


def make_parts(folder: Path, samples: Path) -> Parts:
    """Motion capture as a plain file, a store of videos, and a network that has learnt nothing."""
    mocap = folder / "mocap.parquet"
    motions = random_motions([48, 40, 52, 44, 41, 46])
    known = [replace(m, split="val" if i > 3 else "train") for i, m in enumerate(motions)]
    write_motions(known, mocap, Hashed().encoder_id)
    torch.manual_seed(0)
    parent = folder / "parent"
    save_checkpoint(
        parent, CrossDiff(TINY.network), training_statistics(known), HUMANML3D,
        masks_padding=True, about={"text_encoder": Hashed().encoder_id, "train": TINY.to_json()},
    )  # fmt: skip
    make_wild(folder / "films", samples)
    return Parts(mocap, folder / "films", parent)


def make_wild(url: Path, samples: Path) -> Store:
    """Clips of `RECORDINGS` recordings of each of `ACTIONS`, each seen a little otherwise."""
    rows = [
        clip_rows(samples, action, number) for action in ACTIONS for number in range(RECORDINGS)
    ]
    store = create_store(url)
    register_recipe(store, DATASET, RECIPE)
    videos, tracks, motions = (list(kind) for kind in zip(*rows, strict=True))
    commit_shard(store, ShardRows(DATASET, "s1", RECIPE.recipe_id, videos, tracks, motions))
    return store


def clip_rows(samples: Path, action: str, number: int) -> tuple:
    """Rows of one clip; nobody saw the left hand in a part of it."""
    video, track, motion = ok_rows(truth(samples, action), DATASET)
    name = hashlib.sha256(f"{action}{number}".encode()).hexdigest()
    rng = np.random.default_rng(number)
    view = motion.view2d[:FRAMES] + rng.normal(0, 0.02, (FRAMES, 22, 2)).astype(np.float32)
    view -= view[0, 0]
    seen = np.ones((FRAMES, 22), bool)
    seen[10:20, 20] = False
    own = lineage(name)
    return (
        replace(video, video_hash=name, group=f"g{number:02d}", lineage=own),
        replace(track, video_hash=name, lineage=own),
        replace(
            motion, motion_id=motion_id(DATASET, name, 0, 0), video_hash=name, lineage=own,
            view2d=view, features2d=features_from_view(view, HUMANML3D), joint_mask=seen,
            joints3d=motion.joints3d[:FRAMES], features3d=motion.features3d[: FRAMES - 1],
            captions=(), quality_reprojection_error=0.05 + 0.01 * number,
        ),
    )  # fmt: skip


@contextlib.contextmanager
def quick(*, samples: bool = False):
    """Without Prefect, with an encoder that need not be loaded; mostly without text samples."""
    encoder = mock.patch("flows.finetune_data.encoder_for_checkpoint", lambda *_: Hashed())
    published = mock.patch("flows.gate.run_published", without_prefect)
    drawn = mock.patch("models.evaluation.gate_report.text_samples", lambda *_: [])
    with encoder, published, contextlib.nullcontext() if samples else drawn:
        yield
