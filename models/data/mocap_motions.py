"""A captured clip as training motions: canonical, with its mirror image."""

import hashlib
import json

import numpy as np

from models.data.captions import swap_sides, swap_token_sides, tokenise
from models.data.motion import Motion
from pipeline.arrays import Float64
from pipeline.canonical import canonicalise, mirror
from pipeline.kinematics import canonical_offsets
from pipeline.mocap_archive import MocapClip
from pipeline.skeletons import HUMANML3D, Skeleton


def prepare_clip(clip: MocapClip, skeleton: Skeleton = HUMANML3D) -> list[Motion]:
    """The clip and its mirror image, retargeted to the canonical skeleton.

    Raises:
        ValueError: The clip's joints are not usable: shape, frames, values that are not finite.
    """
    raw = clip.joints.astype(np.float64)
    tokens = tuple(tokenise(caption) for caption in clip.captions)
    if raw.shape[1:] != (skeleton.n_joints, 3):
        raise ValueError(f"joints are {raw.shape}, expected (T, {skeleton.n_joints}, 3)")
    return [
        _motion(clip, raw, clip.captions, tokens, skeleton, mirrored=False),
        _motion(
            clip,
            mirror(raw, skeleton),
            tuple(swap_sides(caption) for caption in clip.captions),
            tuple(swap_token_sides(words) for words in tokens),
            skeleton,
            mirrored=True,
        ),
    ]


def _motion(
    clip: MocapClip,
    joints: Float64,
    captions: tuple[str, ...],
    tokens: tuple[tuple[str, ...], ...],
    skeleton: Skeleton,
    *,
    mirrored: bool,
) -> Motion:
    canonical = canonicalise(joints, skeleton, canonical_offsets(skeleton))
    return Motion(
        motion_id="M" + clip.clip_id if mirrored else clip.clip_id,
        split=clip.split,
        joints=canonical.astype(np.float32),
        captions=captions,
        embeddings=np.zeros((0, 0), np.float32),
        action=clip.action,
        source=clip.source,
        tokens=tokens,
        joint_set=skeleton.name,
        fps=skeleton.fps,
        mirrored=mirrored,
        source_hash=hash_of_clip(clip),
    )


def hash_of_clip(clip: MocapClip) -> str:
    """SHA-256 (hex) of all that the clip's motions are computed from."""
    labels = [clip.split, clip.action, list(clip.captions)]
    digest = hashlib.sha256(np.ascontiguousarray(clip.joints).tobytes())
    digest.update(json.dumps(labels).encode())
    return digest.hexdigest()
