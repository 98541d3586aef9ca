"""Random but smooth motions of any skeleton, for properties that must hold for every motion."""

import numpy as np

from models.data.training_data import Motion
from pipeline import quaternions as quat
from pipeline.arrays import Float64
from pipeline.canonical import canonicalise
from pipeline.kinematics import forward_kinematics
from pipeline.skeletons import HUMANML3D, Skeleton


def random_motion(
    seed: int, frames: int = 40, skeleton: Skeleton = HUMANML3D, turns: float = 1.0
) -> Float64:
    """(T, J, 3) raw positions: limbs swing, the root walks and turns `turns` full circles."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / 20.0
    j = skeleton.n_joints
    speed, phase = rng.uniform(0.5, 3.0, (2, j * 3))
    swing = 0.25 * np.sin(time * speed + phase).reshape(frames, j, 3)
    rotations = np.concatenate([np.ones((frames, j, 1)), swing], axis=-1)
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    yaw = np.linspace(0.0, 2 * np.pi * turns, frames) + rng.uniform(-np.pi, np.pi)
    rotations[:, 0] = quat.about_y(yaw)
    walk = np.cumsum(rng.normal(scale=0.02, size=(frames, 3)), axis=0)
    root = walk + np.array([rng.normal(), 1.0, rng.normal()])
    lengths = rng.uniform(0.1, 0.4, (j, 1))
    for left, right in skeleton.mirror_pairs:
        lengths[right] = lengths[left]
    return forward_kinematics(rotations, root, skeleton.raw_offset_array * lengths, skeleton)


def random_motions(lengths: list[int], text_dim: int = 8, split: str = "train") -> list[Motion]:
    """Canonical training motions with text embeddings; the last one has no caption."""
    out = []
    for i, frames in enumerate(lengths):
        rng = np.random.default_rng(1000 + i)
        captions = () if i == len(lengths) - 1 else ("a", "b")
        embeddings = rng.normal(size=(len(captions), text_dim)).astype(np.float32)
        out.append(
            Motion(
                motion_id=f"m{i}",
                split=split,
                joints=canonicalise(random_motion(i, frames), HUMANML3D).astype(np.float32),
                captions=captions,
                embeddings=embeddings if captions else np.zeros((0, 0), np.float32),
            )
        )
    return out
