"""How long a training set takes to open: the table against one `.npy` (and text file) per clip.

    python tests/benchmarks/training_set_opening.py --clips 10000 [--folder DIR]

Published loaders read `new_joint_vecs/ID.npy` and `texts/ID.txt` of every clip before the first
step. Ours opens the store: joints, features, captions, tokens and embeddings of every clip, and
the statistics. All are measured warm (files in the page cache), in turn, in one process:
`opened` until any clip can be had, `in hand` until every clip's features are numpy arrays,
`read` until every feature value was read once. The first opening of a store that no `prepare`
laid open decodes the Parquet files once; it is shown apart.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flows.training_sets import open_training_set
from models.data.motion import Motion
from storage.lineage import MOTION_CAPTURE, Recipe, make_lineage
from storage.opened import FOLDER
from storage.recipes import register_recipe
from storage.rows import MOCAP, MotionRow, ShardRows
from storage.shards import commit_shard
from storage.statistics import store_moments
from storage.store import create_store

DATASET = "synthetic"
SHORTEST, LONGEST = 40, 196
SHARD = 256
ROUNDS = 3
TEXT_DIM = 512
DIM3 = 263
RECIPE = Recipe(MOTION_CAPTURE, None, {"text_encoder": "random"})


def clip(number: int) -> MotionRow:
    """A random walk in every column: as long as a clip, and about as compressible."""
    rng = np.random.default_rng(number)
    t = int(rng.integers(SHORTEST, LONGEST + 1))

    def walk(*shape: int) -> np.ndarray:
        return np.cumsum(rng.standard_normal(shape, np.float32) * np.float32(0.05), axis=-2)

    view, features2 = walk(t, 22, 2), walk(t - 1, 134)
    return MotionRow(
        motion_id=f"{number:06d}", dataset=DATASET, fps=20.0, source_kind=MOCAP,
        view2d=view, features2d=features2, joint_mask=np.ones((t, 22), bool),
        views2d=np.stack([view] * 4), features2d_views=np.stack([features2] * 4),
        joints3d=walk(t, 22, 3), features3d=walk(t - 1, DIM3), mirrored=False, source=DATASET,
        captions=(f"a person does thing {number}.", f"someone does thing {number}."),
        tokens=("a/DET person/NOUN does/VERB thing/NOUN", "someone/NOUN does/VERB thing/NOUN"),
        caption_embeddings=rng.standard_normal((2, TEXT_DIM), np.float32), text_encoder="random",
        split="train", lineage=make_lineage(RECIPE, {}),
    )  # fmt: skip


def write_both(folder: Path, clips: int) -> None:
    """The same clips as a store and as a folder of files."""
    store = create_store(folder / "store")
    register_recipe(store, DATASET, RECIPE)
    (folder / "new_joint_vecs").mkdir()
    (folder / "texts").mkdir()
    for start in range(0, clips, SHARD):
        rows = [clip(number) for number in range(start, min(start + SHARD, clips))]
        name = f"shard-{start:06d}"
        commit_shard(store, ShardRows(DATASET, name, RECIPE.recipe_id, motions=rows))
        for row in rows:
            np.save(folder / "new_joint_vecs" / f"{row.motion_id}.npy", row.features3d)
            lines = [f"{c}#{t}#0.0#0.0\n" for c, t in zip(row.captions, row.tokens, strict=True)]
            (folder / "texts" / f"{row.motion_id}.txt").write_text("".join(lines))
    store_moments(store, DATASET, "humanml3d22")


def npy_files(folder: Path, clips: int) -> Sequence[np.ndarray]:
    """One `.npy` per clip, whole."""
    vectors = folder / "new_joint_vecs"
    return [np.load(vectors / f"{number:06d}.npy") for number in range(clips)]


def npy_and_text_files(folder: Path, clips: int) -> Sequence[np.ndarray]:
    """What published loaders do: the arrays, and every clip's captions with their tokens."""
    for number in range(clips):
        for line in (folder / "texts" / f"{number:06d}.txt").read_text().splitlines():
            caption, tokens, start, end = line.split("#")
            assert caption and tokens.split(" ") and float(start) == float(end)
    return npy_files(folder, clips)


def table(folder: Path, clips: int) -> Sequence[Motion]:
    """Ours, with the statistics that the files come without."""
    opened = open_training_set(folder / "store", ("train",))
    assert len(opened.motions["train"]) == clips
    assert opened.moments and opened.statistics.mean3.shape == (DIM3,)
    return opened.motions["train"]


OPENERS = (npy_files, npy_and_text_files, table)
STAGES = ("opened", "in hand", "read")


def seconds(opener: Callable[..., Sequence[Any]], folder: Path, clips: int) -> list[float]:
    """Seconds until each of the `STAGES`."""
    start = time.perf_counter()
    items = opener(folder, clips)
    out = [time.perf_counter() - start]
    arrays = [item.features if isinstance(item, Motion) else item for item in items]
    out.append(time.perf_counter() - start)
    assert np.isfinite(sum(float(array.sum()) for array in arrays))
    return [*out, time.perf_counter() - start]


def main() -> None:
    """Write both, measure in turn, print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="opening", dir=args.folder))
    try:
        write_both(folder, args.clips)
        measure(folder, args.clips)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, clips: int) -> None:
    """Print medians over the rounds, and how many times the table's they are."""
    shutil.rmtree(folder / "store" / FOLDER, ignore_errors=True)
    first = seconds(table, folder, clips)[0]
    print(f"{clips} clips; the first opening, which decodes the table: {first:.2f} s")
    for opener in OPENERS:
        seconds(opener, folder, clips)  # warm
    times: dict[str, list[list[float]]] = {opener.__name__: [] for opener in OPENERS}
    for _ in range(ROUNDS):
        for opener in OPENERS:
            times[opener.__name__].append(seconds(opener, folder, clips))
    medians = {name: np.median(rounds, axis=0) for name, rounds in times.items()}
    for name, ours in medians.items():
        ratios = ours / medians[table.__name__]
        pairs = zip(STAGES, ours, ratios, strict=True)
        print(f"{name}: " + ", ".join(f"{stage} {s:.3f} s ({r:.1f}x)" for stage, s, r in pairs))


if __name__ == "__main__":
    main()
