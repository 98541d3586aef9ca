"""In-the-wild clips in memory: the view that was seen, what of it is known, and its 3D label."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from models.data.motion import Motion
from models.data.prepared import FEWEST_FRAMES
from models.data.training_data import MotionBank, build_bank, features_of
from pipeline.arrays import Bool, Float32
from pipeline.feature_masks import feature_mask3d
from pipeline.skeletons import HUMANML3D, Skeleton


@dataclass(frozen=True)
class WildBank:
    """In-the-wild clips as padded tensors on one device; batches are gathered from it.

    What nobody saw is zero in `view` and in the label's features, whatever the table held there.
    """

    motions: MotionBank
    """Pseudo 3D label and captions; zeros where a clip has no label."""
    view: Tensor
    """(N, F, J, 2) the view that was really seen, in the scale of `pipeline.views`."""
    seen: Tensor
    """(N, F, J) True where the joint is known; False beyond a clip's end."""
    mask3: Tensor
    """(N, F - 1, D3) True where the label rests on joints that were seen; all False without one."""
    label_weight: Tensor
    """(N,) 0..1 how much the 3D label counts; 0: the clip is 2D alone."""

    def __len__(self) -> int:
        return len(self.motions)

    def to(self, device: torch.device | str) -> "WildBank":
        """The same bank on another device."""
        return WildBank(*(getattr(self, f.name).to(device) for f in fields(self)))


def build_wild_bank(
    motions: Sequence[Motion],
    label_weight: Sequence[float],
    text_dim: int,
    skeleton: Skeleton = HUMANML3D,
) -> WildBank:
    """Pad everything to the longest clip.

    Args:
        motions: Each with its view; without a joint mask all of it counts as seen.
        label_weight: Of each motion, 0..1; 0 trains the 2D path alone.
        text_dim: Width of the caption embeddings.
        skeleton: The joint tree.

    Raises:
        ValueError: No motion, one that has no usable view or label, or a weight outside 0..1.
    """
    if not motions:
        raise ValueError("there is no in-the-wild clip to train on: ingest videos first")
    if len(label_weight) != len(motions):
        raise ValueError(f"{len(motions)} clips need as many weights, not {len(label_weight)}")
    pairs = list(zip(motions, label_weight, strict=True))
    for motion, weight in pairs:
        _check(motion, weight, skeleton)
    longest, joints = max(len(m.joints) for m in motions), skeleton.n_joints
    view = np.zeros((len(motions), longest, joints, 2), np.float32)
    seen = np.zeros((len(motions), longest, joints), np.bool_)
    mask3 = np.zeros((len(motions), longest - 1, skeleton.dim3), np.bool_)
    for i, (motion, weight) in enumerate(pairs):
        frames = len(motion.joints)
        seen[i, :frames] = known_joints(motion)
        view[i, :frames] = known_view(motion)
        if weight > 0.0:
            mask3[i, : frames - 1] = _label_mask(motion, skeleton)
    shown = [
        replace(m, features=_known_features(m, skeleton)) if w > 0.0 else _no_label(m, skeleton)
        for m, w in pairs
    ]
    return WildBank(
        build_bank(shown, text_dim, skeleton),
        torch.from_numpy(view),
        torch.from_numpy(seen),
        torch.from_numpy(mask3),
        torch.tensor(list(label_weight), dtype=torch.float32),
    )


def known_joints(motion: Motion) -> Bool:
    """(T, J) which joints of a clip's view are known."""
    if motion.joint_mask is not None:
        return motion.joint_mask
    return np.ones(motion.joints.shape[:2], np.bool_)


def known_view(motion: Motion) -> Float32:
    """(T, J, 2) a clip's view, zero where nobody saw the joint.

    Raises:
        ValueError: The motion has no view.
    """
    if motion.view is None:
        raise ValueError(f"{motion.motion_id} has no view: only labelled video has one")
    return np.where(known_joints(motion)[..., None], motion.view, np.float32(0.0))


def _label_mask(motion: Motion, skeleton: Skeleton) -> Bool:
    """(T-1, D3) as stored, else from the joints that were seen."""
    if motion.feature_mask is not None:
        return motion.feature_mask
    return feature_mask3d(known_joints(motion), skeleton)


def _known_features(motion: Motion, skeleton: Skeleton) -> Float32:
    """(T-1, D3) the label's features, zero where they rest on joints nobody saw."""
    known = _label_mask(motion, skeleton)
    return np.where(known, features_of(motion, skeleton), np.float32(0.0)).astype(np.float32)


def _no_label(motion: Motion, skeleton: Skeleton) -> Motion:
    """The clip with zeros for its 3D: nothing of a label that does not count is kept."""
    frames = len(motion.joints)
    return replace(
        motion,
        joints=np.zeros((frames, skeleton.n_joints, 3), np.float32),
        features=np.zeros((frames - 1, skeleton.dim3), np.float32),
        has_3d=False,
    )


def _check(motion: Motion, weight: float, skeleton: Skeleton) -> None:
    """Raise a sentence about a clip that cannot be trained on."""
    name, frames = motion.motion_id, len(motion.joints)
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"the label of {name} has weight {weight}: give one from 0 to 1")
    if known_view(motion).shape != (frames, skeleton.n_joints, 2):
        raise ValueError(f"{name} has a view of another skeleton than {skeleton.name}")
    if frames < FEWEST_FRAMES:
        raise ValueError(f"{name} has {frames} frames, at least {FEWEST_FRAMES} are needed")
    if not np.isfinite(known_view(motion)).all():
        raise ValueError(f"{name} has joints marked as seen without a position: ingest it again")
    if weight > 0.0 and not motion.has_3d:
        raise ValueError(f"{name} has no 3D label: give it weight 0, or label it first")
    if weight > 0.0 and not np.isfinite(_known_features(motion, skeleton)).all():
        raise ValueError(f"{name} has a 3D label that is not finite: label it again")
