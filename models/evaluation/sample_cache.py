"""Drawn motions on disk, shard by shard: a killed evaluation goes on where it was.

A shard's name is the hash of all that its motions depend on, so that a file can never be taken for
another setting's: checkpoint, sampler, batch shapes, device, versions, and of every motion its
noise, length and sentence. A file that is damaged is drawn again.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import disk_usage

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from models.checkpoint import Checkpoint
from models.evaluation.plan import EvaluationPlan
from models.generate.generation import BatchPlan, MotionRequest, device_of, drawn_motions
from models.generate.sampling import SampleSettings
from pipeline.arrays import Float32
from pipeline.stopwatch import Stopwatch

FORMAT = 1
SHARD_CPU = 32
"""Motions of a shard: what a kill costs, against the number of files."""
SHARD_GPU = 512
KEY_DIGITS = 32
PARTIAL = ".partial"
UNSAFE = frozenset('/\\:*?"<>|')


@dataclass(frozen=True)
class Wanted:
    """A motion to draw, and what to call it when that fails."""

    name: str
    request: MotionRequest


@dataclass(frozen=True)
class Shard:
    """Some of the wanted motions, drawn."""

    places: tuple[int, ...]
    """Where each one stands among the wanted."""
    features: tuple[Float32, ...]
    """(T, D3) each, not normalised."""
    seconds: float
    """That drawing took, in this run or in the one that wrote the file."""
    state: str
    """drawn, read, or damaged: read in vain and drawn again."""


@dataclass(frozen=True)
class Drawing:
    """Who draws, how, and where the motions are kept."""

    checkpoint: Checkpoint
    settings: SampleSettings
    batches: BatchPlan
    folder: Path | None = None
    """None keeps nothing."""
    origin: str = ""
    """Version and commit of the code."""

    @property
    def shard_size(self) -> int:
        """Motions of a shard."""
        return SHARD_CPU if device_of(self.checkpoint).type == "cpu" else SHARD_GPU


def drawn_shards(
    drawing: Drawing,
    wanted: Sequence[Wanted],
    done: Callable[[int], object] = lambda motions: None,
) -> Iterator[Shard]:
    """Draw the wanted motions or read them, shard by shard; motions of like length together.

    Args:
        drawing: Who draws, and how.
        wanted: What to draw.
        done: Called after each denoising step with its number of motions; a shard that is read
            counts for all its steps at once.

    Raises:
        ValueError: A motion came out that is not finite; nothing of its shard is kept.
        OSError: The folder cannot be written.
    """
    for places in _shard_places(drawing, wanted):
        part = [wanted[i] for i in places]
        path = _path(drawing, part)
        known = _read(path, part) if path is not None else None
        if known is not None:
            done(len(part) * drawing.settings.steps)
            yield Shard(places, known[0], known[1], "read")
            continue
        state = "damaged" if path is not None and path.exists() else "drawn"
        features, seconds = _draw(drawing, part, done)
        if path is not None:
            _write(path, features, seconds)
        yield Shard(places, features, seconds, state)


def _shard_places(drawing: Drawing, wanted: Sequence[Wanted]) -> list[tuple[int, ...]]:
    order = sorted(range(len(wanted)), key=lambda i: wanted[i].request.frames)
    starts = range(0, len(order), drawing.shard_size)
    return [tuple(order[first : first + drawing.shard_size]) for first in starts]


def rows_to_draw(drawing: Drawing, wanted: Sequence[Wanted]) -> int:
    """Rows of the wanted motions that `drawn_shards` finds in no file."""
    parts = [[wanted[i] for i in places] for places in _shard_places(drawing, wanted)]
    paths = [_path(drawing, part) for part in parts]
    return sum(
        sum(one.request.frames for one in part)
        for part, path in zip(parts, paths, strict=True)
        if path is None or not path.is_file()
    )


def remove_partials(folder: Path) -> None:
    """Remove what killed runs left half written; only for who alone writes into the folder."""
    for file in folder.rglob(f"*{PARTIAL}"):
        file.unlink(missing_ok=True)


def check_space(folder: Path, rows: int, width: int, left: Callable[[], int]) -> None:
    """Check that all motions of an evaluation fit on the disk, before hours are spent.

    Args:
        folder: Where they will lie.
        rows: Of all motions.
        width: Numbers in a row.
        left: Rows that are not there yet; asked only where there is no space for all.

    Raises:
        ValueError: They do not fit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    row, free = width * np.dtype(np.float32).itemsize, disk_usage(folder).free
    if rows * row <= free:
        return
    needed = left() * row
    if needed > free:
        raise ValueError(
            f"the motions still to be drawn take {needed / 1e9:.1f} GB, {folder} has "
            f"{free / 1e9:.1f} GB free: choose another --out, fewer --replications, or "
            "--multimodality-texts 0"
        )


def rows_of_plan(lengths: Sequence[int], plan: EvaluationPlan) -> int:
    """Rows of all motions that one checkpoint draws (MultiModality's at the mean length).

    Args:
        lengths: (N,) rows of each motion of ground truth.
        plan: The evaluation.
    """
    again = min(plan.multimodality_texts, len(lengths)) * plan.multimodality_samples
    return round(plan.replications * (sum(lengths) + again * float(np.mean(lengths))))


def _draw(
    drawing: Drawing, part: Sequence[Wanted], done: Callable[[int], object]
) -> tuple[tuple[Float32, ...], float]:
    watch = Stopwatch()
    requests = [wanted.request for wanted in part]
    found = dict(
        drawn_motions(
            drawing.checkpoint, requests, drawing.settings, plan=drawing.batches, done=done
        )
    )
    features = tuple(found[i].features for i in range(len(part)))
    for wanted, rows in zip(part, features, strict=True):
        if not np.isfinite(rows).all():
            raise ValueError(
                f"checkpoint {drawing.checkpoint.checkpoint_id} drew a motion that is not finite "
                f"({wanted.name}): scores of it would mean nothing; lower --guidance, or choose "
                "another checkpoint"
            )
    return features, watch.seconds


def _path(drawing: Drawing, part: Sequence[Wanted]) -> Path | None:
    if drawing.folder is None:
        return None
    name = "".join("-" if c in UNSAFE else c for c in drawing.checkpoint.checkpoint_id)
    return drawing.folder / name / f"{_key(drawing, part)}.safetensors"


def _key(drawing: Drawing, part: Sequence[Wanted]) -> str:
    about = {
        "format": FORMAT,
        "checkpoint": drawing.checkpoint.checkpoint_id,
        "settings": asdict(drawing.settings),
        "batches": asdict(drawing.batches),
        "device": device_of(drawing.checkpoint).type,
        "origin": drawing.origin,
        "torch": torch.__version__,
        "motions": [(w.request.noise_seed, w.request.frames) for w in part],
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for wanted in part:
        digest.update(np.ascontiguousarray(wanted.request.text, np.float32).tobytes())
    return digest.hexdigest()[:KEY_DIGITS]


def _write(path: Path, features: Sequence[Float32], seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.ascontiguousarray(np.concatenate(features), np.float32)
    frames = np.asarray([len(part) for part in features], np.int64)
    about = {"sha256": hashlib.sha256(rows.tobytes()).hexdigest(), "seconds": repr(seconds)}
    partial = path.with_suffix(f".{os.getpid()}{PARTIAL}")
    partial.write_bytes(save({"features": rows, "frames": frames}, metadata=about))
    partial.replace(path)


def _read(path: Path, part: Sequence[Wanted]) -> tuple[tuple[Float32, ...], float] | None:
    """The motions of a file and the seconds they took; None where it is not there or damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as held:
            about = held.metadata() or {}
            rows, frames = held.get_tensor("features"), held.get_tensor("frames")
        seconds = float(about["seconds"])
    except (SafetensorError, OSError, KeyError, ValueError):
        return None
    whole = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest() == about.get("sha256")
    if not whole or frames.tolist() != [wanted.request.frames for wanted in part]:
        return None
    return tuple(np.split(rows, np.cumsum(frames)[:-1])), seconds
