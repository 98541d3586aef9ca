"""Training motions as one plain Parquet file, for machines that have no store."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from models.data.motion import Motion
from models.data.motion_tables import motions_of
from pipeline.arrays import Float32

STRINGS = pa.list_(pa.string())
FLOATS = pa.list_(pa.float32())
SCHEMA = pa.schema(
    [
        ("motion_id", pa.string()),
        ("split", pa.string()),
        ("source", pa.string()),
        ("action", pa.string()),
        ("captions", STRINGS),
        ("frames", pa.int32()),
        ("joints3d", FLOATS),
        ("caption_embeddings", FLOATS),
        ("tokens", STRINGS),
        ("features3d", FLOATS),
        ("joint_set", pa.string()),
        ("fps", pa.float32()),
        ("mirrored", pa.bool_()),
        ("source_hash", pa.string()),
        ("text_encoder", pa.string()),
    ],
    metadata={
        "joints3d": "frames x joints x 3, metres, Y up, canonical skeleton, on the floor, "
        "first frame at xz = 0 facing +Z",
        "features3d": "(frames - 1) x D3, unnormalised; null: to be computed from joints3d",
        "caption_embeddings": "captions x text_dim sentence embeddings; empty when not computed",
        "tokens": "each caption's words as word/POS, joined by spaces",
    },
)
NEEDED = SCHEMA.names[:8]
"""The columns of the first such files; what is missing of the rest takes `Motion`'s defaults."""
_ARRAYS = ("joints3d", "caption_embeddings", "features3d")


def write_motions(
    motions: Sequence[Motion], path: Path, text_encoder: str = "", *, features: bool = True
) -> None:
    """Write motions as one Parquet file that `read_motions` and pandas read.

    Args:
        motions: What to write.
        path: The file; it appears whole or not at all.
        text_encoder: Id of the encoder of the motions' embeddings.
        features: False leaves out the feature rows, to be computed again by who reads the file.

    Raises:
        ValueError: `path` is a folder.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give the .parquet file to write")
    columns = {
        "motion_id": [m.motion_id for m in motions],
        "split": [m.split for m in motions],
        "source": [m.source for m in motions],
        "action": [m.action for m in motions],
        "captions": [list(m.captions) for m in motions],
        "frames": [len(m.joints) for m in motions],
        "joints3d": [m.joints.ravel() for m in motions],
        "caption_embeddings": [m.embeddings.ravel() for m in motions],
        "tokens": [[" ".join(words) for words in m.tokens] for m in motions],
        "features3d": [_flat(m.features if features else None) for m in motions],
        "joint_set": [m.joint_set for m in motions],
        "fps": [m.fps for m in motions],
        "mirrored": [m.mirrored for m in motions],
        "source_hash": [m.source_hash for m in motions],
        "text_encoder": [text_encoder if len(m.embeddings) else None for m in motions],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    pq.write_table(
        pa.table(columns, schema=SCHEMA),
        partial,
        compression="zstd",
        use_dictionary=[n for n in SCHEMA.names if n not in _ARRAYS],
        column_encoding={f"{n}.list.element": "BYTE_STREAM_SPLIT" for n in _ARRAYS},
    )
    partial.replace(path)


def _flat(values: Float32 | None) -> Float32 | None:
    return None if values is None else values.ravel()


def read_motions(path: Path, split: str | None = None) -> list[Motion]:
    """Motions of a Parquet file or a folder of them, optionally of one split.

    Raises:
        ValueError: Nothing there, or columns missing.
    """
    splits = None if split is None else (split,)
    return list(motions_of(read_tables(path), splits))


def read_tables(path: Path) -> list[pa.Table]:
    """The Arrow tables of a Parquet file of motions, or of a folder of such files.

    Raises:
        ValueError: Nothing there, or columns missing.
    """
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise ValueError(f"no training set at {path}: make one with `crossdiff prepare mocap`")
    return [_read_table(file) for file in files]


def _read_table(file: Path) -> pa.Table:
    try:
        table = pq.read_table(file)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{file} is not a training set: it is not a Parquet file") from error
    missing = [n for n in NEEDED if n not in table.column_names]
    if missing:
        raise ValueError(f"{file} is not a training set: columns {', '.join(missing)} missing")
    return table
