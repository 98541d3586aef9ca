"""Training motions in memory: canonical joints, 3D features and text embeddings, from Parquet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from pipeline import quaternions as quat
from pipeline.arrays import Float32
from pipeline.canonical import canonicalise, mirror
from pipeline.kinematics import canonical_offsets
from pipeline.mocap_archive import MocapClip
from pipeline.normalisation import Statistics, compute_statistics
from pipeline.representation2d import features_from_view
from pipeline.representation3d import features_from_canonical, recover_root
from pipeline.skeletons import HUMANML3D, Skeleton
from pipeline.views import View, project_view

SCHEMA = pa.schema(
    [
        ("motion_id", pa.string()),
        ("split", pa.string()),
        ("source", pa.string()),
        ("action", pa.string()),
        ("captions", pa.list_(pa.string())),
        ("frames", pa.int32()),
        ("joints3d", pa.list_(pa.float32())),
        ("caption_embeddings", pa.list_(pa.float32())),
    ],
    metadata={
        "joints3d": "frames x joints x 3, metres, Y up, canonical skeleton, on the floor, "
        "first frame at xz = 0 facing +Z",
        "caption_embeddings": "captions x text_dim sentence embeddings; empty when not computed",
    },
)


_ARRAYS = ("joints3d", "caption_embeddings")


@dataclass(frozen=True)
class Motion:
    """One training motion on the canonical skeleton."""

    motion_id: str
    split: str
    joints: Float32
    """(T, J, 3) metres, canonical."""
    captions: tuple[str, ...]
    embeddings: Float32
    """(captions, text_dim), or (0, 0) when none were computed."""
    action: str = ""
    source: str = ""


def prepare_clip(clip: MocapClip, skeleton: Skeleton = HUMANML3D) -> list[Motion]:
    """The clip and its mirror image, retargeted to the canonical skeleton."""
    raw = clip.joints.astype(np.float64)
    out = []
    for prefix, joints, captions in (
        ("", raw, clip.captions),
        ("M", mirror(raw, skeleton), tuple(swap_sides(c) for c in clip.captions)),
    ):
        canonical = canonicalise(joints, skeleton, canonical_offsets(skeleton))
        out.append(
            Motion(
                motion_id=prefix + clip.clip_id,
                split=clip.split,
                joints=canonical.astype(np.float32),
                captions=captions,
                embeddings=np.zeros((0, 0), np.float32),
                action=clip.action,
                source=clip.source,
            )
        )
    return out


_SIDES = {"left": "right", "right": "left", "clockwise": "counterclockwise"}
_SIDES["counterclockwise"] = "clockwise"


def swap_sides(text: str) -> str:
    """The caption of the mirrored motion: left and right change places."""
    return " ".join(_swap_word(word) for word in text.split(" "))


def _swap_word(word: str) -> str:
    core = word.strip(".,;:!?\"'")
    return word.replace(core, _SIDES[core]) if core in _SIDES else word


def write_motions(motions: Sequence[Motion], path: Path) -> None:
    """Write motions as one Parquet file that `read_motions` and pandas read."""
    columns = {
        "motion_id": [m.motion_id for m in motions],
        "split": [m.split for m in motions],
        "source": [m.source for m in motions],
        "action": [m.action for m in motions],
        "captions": [list(m.captions) for m in motions],
        "frames": [len(m.joints) for m in motions],
        "joints3d": [m.joints.ravel() for m in motions],
        "caption_embeddings": [m.embeddings.ravel() for m in motions],
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


def read_motions(path: Path, split: str | None = None) -> list[Motion]:
    """Motions of a Parquet file or a folder of them, optionally of one split.

    Raises:
        ValueError: Nothing there, or columns missing.
    """
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise ValueError(f"no training set at {path}: make one with `crossdiff prepare mocap`")
    out: list[Motion] = []
    for file in files:
        table = pq.read_table(file)
        missing = [n for n in SCHEMA.names if n not in table.column_names]
        if missing:
            raise ValueError(f"{file} is not a training set: columns {', '.join(missing)} missing")
        out.extend(m for m in _motions(table) if split is None or m.split == split)
    return out


def _motions(table: pa.Table) -> Iterator[Motion]:
    plain = table.select(
        [n for n, t in zip(SCHEMA.names, SCHEMA.types, strict=True) if t != pa.list_(pa.float32())]
    ).to_pylist()
    joints, embeddings = (table.column(n).combine_chunks() for n in _ARRAYS)
    for i, row in enumerate(plain):
        vectors = embeddings[i].values.to_numpy().astype(np.float32)
        shape = (len(row["captions"]), -1) if vectors.size else (0, 0)
        yield Motion(
            motion_id=row["motion_id"],
            split=row["split"],
            joints=joints[i].values.to_numpy().astype(np.float32).reshape(row["frames"], -1, 3),
            captions=tuple(row["captions"]),
            embeddings=vectors.reshape(shape),
            action=row["action"],
            source=row["source"],
        )


def training_statistics(motions: Sequence[Motion], skeleton: Skeleton = HUMANML3D) -> Statistics:
    """Statistics of both representations; 2D over all four views."""
    features3 = (features_from_canonical(m.joints.astype(np.float64), skeleton) for m in motions)
    features2 = (
        features_from_view(project_view(m.joints, 90.0 * view), skeleton)
        for m in motions
        for view in View
    )
    return compute_statistics(features3, features2, skeleton)


@dataclass(frozen=True)
class MotionBank:
    """All motions of a split as padded tensors on one device; batches are gathered from it."""

    joints: Tensor
    """(N, F, J, 3) metres, zero beyond a motion's end."""
    features3: Tensor
    """(N, F - 1, D3), not normalised."""
    yaw: Tensor
    """(N, F - 1) radians: heading of each frame relative to frame 0, turning about Y."""
    rows: Tensor
    """(N,) feature rows of each motion (frames - 1)."""
    text: Tensor
    """(N, C, text_dim) caption embeddings, first `captions` of each valid."""
    captions: Tensor
    """(N,) number of captions; 0 means the motion has no text."""

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device | str) -> "MotionBank":
        """The same bank on another device."""
        return MotionBank(*(getattr(self, f).to(device) for f in self.__dataclass_fields__))


def build_bank(
    motions: Sequence[Motion], text_dim: int, skeleton: Skeleton = HUMANML3D
) -> MotionBank:
    """Compute the 3D features of every motion and pad everything to the longest.

    Raises:
        ValueError: No motion, or embeddings of another width than `text_dim`.
    """
    if not motions:
        raise ValueError("the training set has no motion in this split")
    n, longest = len(motions), max(len(m.joints) for m in motions)
    most = max(1, *(len(m.embeddings) for m in motions))
    joints = torch.zeros(n, longest, skeleton.n_joints, 3)
    features = torch.zeros(n, longest - 1, skeleton.dim3)
    yaw = torch.zeros(n, longest - 1)
    text = torch.zeros(n, most, text_dim)
    for i, m in enumerate(motions):
        rows = features_from_canonical(m.joints.astype(np.float64), skeleton)
        heading, _ = recover_root(rows.astype(np.float64))
        turn = quat.inverse(heading)
        joints[i, : len(m.joints)] = torch.from_numpy(m.joints)
        features[i, : len(rows)] = torch.from_numpy(rows)
        yaw[i, : len(rows)] = torch.from_numpy(2 * np.arctan2(turn[:, 2], turn[:, 0])).float()
        if len(m.embeddings):
            if m.embeddings.shape[1] != text_dim:
                raise ValueError(
                    f"{m.motion_id} has text embeddings of width {m.embeddings.shape[1]}, "
                    f"the network expects {text_dim}"
                )
            text[i, : len(m.embeddings)] = torch.from_numpy(m.embeddings)
    count = torch.tensor([len(m.embeddings) for m in motions])
    rows_of = torch.tensor([len(m.joints) - 1 for m in motions])
    return MotionBank(joints, features, yaw, rows_of, text, count)
