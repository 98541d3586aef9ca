"""A folder of HumanML3D or KIT-ML as training motions."""

from collections.abc import Iterator

import numpy as np

from models.data.captions import swap_sides, swap_token_sides, tokenise
from models.data.motion import Motion
from pipeline.arrays import Float32, Float64
from pipeline.canonical import canonicalise, mirror, retarget
from pipeline.caption_files import Caption
from pipeline.kinematics import bone_offsets, canonical_offsets
from pipeline.motion_folder import (
    MIRROR_PREFIX,
    MotionFolder,
    hash_of,
    read_captions_of,
    read_raw_joints,
    read_vectors,
)
from pipeline.rejects import Reject
from pipeline.representation3d import features_from_canonical, recover_all_joints
from pipeline.skeletons import Skeleton

Part = tuple[float, float] | None
"""Seconds of a part of a motion, None for the whole."""


def folder_motions(folder: MotionFolder) -> Iterator[Motion | Reject]:
    """Every motion of the folder with its mirror image, in the order of ids.

    A caption of a part makes that part a motion of its own, named `<id>_<start>-<end>`, as the
    published loader cuts it. The data set's own mirrored copies (`M<id>`) are taken as they are;
    a motion without one is mirrored here. What cannot be used is a named reject.
    """
    target = _target(folder) if folder.raw else None
    for motion_id, split in folder.splits.items():
        try:
            yield from _motions(folder, motion_id, split, target)
        except (ValueError, OSError) as error:
            yield Reject(motion_id, str(error))


def _target(folder: MotionFolder) -> Float64:
    """(J, 3) bones that raw joints are retargeted to.

    The data set's own, else those of its first motion that has all of them.

    Raises:
        ValueError: Not one file of the folder can be read.
    """
    if folder.skeleton.canonical_lengths is not None:
        return canonical_offsets(folder.skeleton)
    for motion_id in folder.splits:
        try:
            bones = bone_offsets(read_raw_joints(folder, motion_id)[0], folder.skeleton)
        except (ValueError, OSError, IndexError):
            continue
        lengths = np.linalg.norm(bones[1:], axis=-1)
        if (lengths > 0).all() and np.isfinite(lengths).all():  # else it would spoil all others
            return bones
    raise ValueError(f"{folder.path} holds no readable joints")


def _motions(
    folder: MotionFolder, motion_id: str, split: str, target: Float64 | None
) -> Iterator[Motion | Reject]:
    captions = read_captions_of(folder, motion_id)
    features, raw = _features(folder, motion_id, target)
    _check_length(features, folder.skeleton)
    source_hash = hash_of(folder, motion_id)
    own_mirror = MIRROR_PREFIX + motion_id
    is_mirrored = _is_copy(folder, motion_id)
    todo = [(motion_id, features, captions, is_mirrored)]
    if not is_mirrored and own_mirror not in folder.splits:
        mirrored = features_from_canonical(
            _mirrored(folder, features, raw, target), folder.skeleton
        )
        todo.append((own_mirror, mirrored, tuple(_swapped(c) for c in captions), True))
    for name, rows, said, flag in todo:
        yield from _parts(folder.skeleton, name, split, rows, said, source_hash, mirrored=flag)


def _has(folder: MotionFolder, motion_id: str) -> bool:
    return motion_id in folder.splits or folder.file(motion_id).is_file()


def _is_copy(folder: MotionFolder, motion_id: str) -> bool:
    """The id is one of the data set's own mirrored copies: M before another id."""
    original = motion_id.removeprefix(MIRROR_PREFIX)
    return original != motion_id and (original[:1].isdigit() or _has(folder, original))


def _features(
    folder: MotionFolder, motion_id: str, target: Float64 | None
) -> tuple[Float32, Float64 | None]:
    """(T, D3) rows of a motion, and its raw joints where they are what the folder holds."""
    if not folder.raw:
        return read_vectors(folder, motion_id), None
    raw = read_raw_joints(folder, motion_id)
    canonical = canonicalise(raw, folder.skeleton, target)
    return features_from_canonical(canonical, folder.skeleton), raw


def _mirrored(
    folder: MotionFolder, features: Float32, raw: Float64 | None, target: Float64 | None
) -> Float64:
    """(T + 1, J, 3) canonical joints of the mirror image."""
    skeleton = folder.skeleton
    if raw is not None:
        return canonicalise(mirror(raw, skeleton), skeleton, target)
    joints = mirror(recover_all_joints(features, skeleton).astype(np.float64), skeleton)
    if skeleton.canonical_lengths is not None:
        # The canonical legs differ a little: in the mirror the right one has the left one's bones.
        joints = retarget(joints, canonical_offsets(skeleton), skeleton, root_scale=1.0)
    return canonicalise(joints, skeleton)


def _swapped(caption: Caption) -> Caption:
    return Caption(
        swap_sides(caption.text), swap_token_sides(caption.tokens), caption.start, caption.end
    )


def _parts(
    skeleton: Skeleton,
    name: str,
    split: str,
    rows: Float32,
    captions: tuple[Caption, ...],
    source_hash: str,
    *,
    mirrored: bool,
) -> Iterator[Motion | Reject]:
    """The whole motion with the captions of the whole, and each captioned part."""
    by_part: dict[Part, list[Caption]] = {}
    for caption in captions:
        by_part.setdefault(caption.part, []).append(caption)
    for part, said in by_part.items():
        piece, piece_name = rows, name
        if part:
            first, last = (int(seconds * skeleton.fps) for seconds in part)
            piece, piece_name = rows[first:last], f"{name}_{part[0]:g}-{part[1]:g}"
        try:
            _check_length(piece, skeleton)
        except ValueError as error:
            yield Reject(piece_name, str(error))
            continue
        yield _motion(skeleton, piece_name, split, piece, said, source_hash, mirrored=mirrored)


def _check_length(rows: Float32, skeleton: Skeleton) -> None:
    shortest, longest = skeleton.clip_rows
    if not shortest <= len(rows) <= longest:
        raise ValueError(f"it has {len(rows)} feature rows, kept are {shortest} to {longest}")


def _motion(
    skeleton: Skeleton,
    name: str,
    split: str,
    rows: Float32,
    captions: list[Caption],
    source_hash: str,
    *,
    mirrored: bool,
) -> Motion:
    return Motion(
        motion_id=name,
        split=split,
        joints=recover_all_joints(rows, skeleton),
        captions=tuple(caption.text for caption in captions),
        embeddings=np.zeros((0, 0), np.float32),
        tokens=tuple(caption.tokens or tokenise(caption.text) for caption in captions),
        features=rows,
        joint_set=skeleton.name,
        fps=skeleton.fps,
        mirrored=mirrored,
        source_hash=source_hash,
    )
