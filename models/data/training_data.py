"""Training data in memory: statistics of a split, and its motions as one bank of tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data.captions import swap_sides
from models.data.mocap_motions import prepare_clip
from models.data.motion import Motion
from models.data.motion_files import read_motions, write_motions
from pipeline.arrays import Float32, Float64
from pipeline.normalisation import Statistics, compute_statistics
from pipeline.rejects import Reject
from pipeline.representation2d import features_from_view
from pipeline.representation3d import features_from_canonical
from pipeline.skeletons import HUMANML3D, Skeleton
from pipeline.views import four_views

__all__ = [
    "Motion",
    "MotionBank",
    "Reject",
    "build_bank",
    "features_of",
    "prepare_clip",
    "read_motions",
    "swap_sides",
    "training_statistics",
    "write_motions",
]


def features_of(motion: Motion, skeleton: Skeleton = HUMANML3D) -> Float32:
    """(T-1, D3) the motion's stored feature rows, or, without any, those of its joints.

    Raises:
        ValueError: The stored rows belong to another skeleton.
    """
    if motion.features is None:
        return features_from_canonical(motion.joints.astype(np.float64), skeleton)
    if motion.features.shape[1] != skeleton.dim3:
        raise ValueError(
            f"{motion.motion_id} has feature rows of width {motion.features.shape[1]}, "
            f"{skeleton.name} has {skeleton.dim3}"
        )
    return motion.features


def training_statistics(motions: Sequence[Motion], skeleton: Skeleton = HUMANML3D) -> Statistics:
    """Statistics of both representations, over motions whose 3D is known; 2D over all four views.

    Raises:
        ValueError: No such motion.
    """
    known = [m for m in motions if m.has_3d]
    features3 = (features_of(m, skeleton) for m in known)
    views = (four_views(m.joints, metres_per_unit=skeleton.metres_per_unit) for m in known)
    features2 = (features_from_view(view, skeleton) for four in views for view in four)
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
    """Pad everything to the longest motion; features are computed only where none are stored.

    Raises:
        ValueError: No motion, or embeddings of another width than `text_dim`.
    """
    if not motions:
        raise ValueError("the training set has no motion in this split")
    n, longest = len(motions), max(len(m.joints) for m in motions)
    joints = np.zeros((n, longest, skeleton.n_joints, 3), np.float32)
    features = np.zeros((n, longest - 1, skeleton.dim3), np.float32)
    for i, m in enumerate(motions):
        joints[i, : len(m.joints)] = m.joints * np.float32(skeleton.metres_per_unit)
        features[i, : len(m.joints) - 1] = features_of(m, skeleton)
    return MotionBank(
        torch.from_numpy(joints),
        torch.from_numpy(features),
        torch.from_numpy(_headings(features[:, :, 0].astype(np.float64))),
        torch.tensor([len(m.joints) - 1 for m in motions]),
        torch.from_numpy(_padded_text(motions, text_dim)),
        torch.tensor([len(m.embeddings) for m in motions]),
    )


def _headings(yaw_velocity: Float64) -> Float32:
    """(N, F) radians in (-2 pi, 2 pi]: what `recover_root` integrates, of all motions at once.

    The rows hold the half angle by which the world turns to the next frame's facing.
    """
    half = np.cumsum(yaw_velocity, axis=1) - yaw_velocity
    return np.asarray(-2.0 * np.arctan2(np.sin(half), np.cos(half)), np.float32)


def _padded_text(motions: Sequence[Motion], text_dim: int) -> Float32:
    """(N, most captions, text_dim), at least one caption wide."""
    most = max(1, *(len(m.embeddings) for m in motions))
    text = np.zeros((len(motions), most, text_dim), np.float32)
    for i, m in enumerate(motions):
        if not len(m.embeddings):
            continue
        if m.embeddings.shape[1] != text_dim:
            raise ValueError(
                f"{m.motion_id} has text embeddings of width {m.embeddings.shape[1]}, "
                f"the network expects {text_dim}"
            )
        text[i, : len(m.embeddings)] = m.embeddings
    return text
