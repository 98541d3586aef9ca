"""A folder of BVH files with their captions as training motions."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from models.data.mocap_motions import prepare_clip
from models.data.motion import Motion
from pipeline.arrays import Float64
from pipeline.bvh_folder import BvhConventions, BvhOptions, read_clip
from pipeline.bvh_kinematics import pieces
from pipeline.caption_files import Caption, FileCaptions, captions_for
from pipeline.mocap_archive import MocapClip
from pipeline.rejects import Reject
from pipeline.skeletons import HUMANML3D
from pipeline.splits import splits_of

LONGEST_FRAMES = HUMANML3D.clip_rows[1] + 1
"""T frames give T - 1 feature rows."""
PIECE_FRAMES = 197
"""Longer files are cut into pieces of at most this many: 196 rows, the network's longest input."""


@dataclass(frozen=True)
class BvhSet:
    """Everything that the motions of a folder depend on."""

    folder: Path
    files: Sequence[Path]
    dataset: str
    captions: Mapping[str, FileCaptions]
    options: BvhOptions
    conventions: BvhConventions
    stored: Mapping[str, str] = field(default_factory=dict)
    """File -> split of what was stored before: it stays there, whatever files come later."""

    def relative(self, file: Path) -> str:
        """A file's name for reports and rows: its path below the folder, in printable text."""
        raw = os.fsencode(file.relative_to(self.folder).as_posix())
        text = raw.decode("utf-8", "backslashreplace")
        return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)

    def uncaptioned(self) -> list[str]:
        """Files that the captions say nothing about."""
        named = [self.relative(f) for f in self.files]
        return [name for name in named if not captions_for(name, self.captions)[1].captions]

    def unused_captions(self) -> list[str]:
        """Names in the captions for which there is no file."""
        used = {captions_for(self.relative(f), self.captions)[0] for f in self.files}
        return sorted(set(self.captions) - used)


def bvh_motions(given: BvhSet) -> Iterator[Motion | Reject]:
    """Every clip of the folder and its mirror image, file after file.

    A file longer than the network's input is cut evenly into pieces that share its captions; a
    caption of a part makes that part a motion of its own. What cannot be used is a named reject.
    """
    splits = _splits(given)
    for file in given.files:
        yield from _file_motions(given, file, splits[given.relative(file)])


def _splits(given: BvhSet) -> dict[str, str]:
    """By file name; a file that gives no motion is not the one that stands for a split."""
    files = {given.relative(file): file for file in given.files}

    @cache
    def usable(name: str) -> bool:
        return any(isinstance(item, Motion) for item in _file_motions(given, files[name], ""))

    said = {name: captions_for(name, given.captions)[1].split for name in files}
    told = {name: split or given.stored.get(name, "") for name, split in said.items()}
    return splits_of(list(files), told, usable)


def _file_motions(given: BvhSet, file: Path, split: str) -> Iterator[Motion | Reject]:
    name = given.relative(file)
    try:
        joints = read_clip(file, given.options, given.conventions)
    except (ValueError, OSError) as error:
        yield Reject(name, str(error))
        return
    _, said = captions_for(name, given.captions)
    for clip in _clips(given, name, split, joints, said.captions):
        part = clip.clip_id.removeprefix(motion_name(given.dataset, name)).removeprefix("_")
        yield from _prepared(clip, f"{name}, part {part}" if part else name)


def motion_name(dataset: str, file: str) -> str:
    """An id for a file's motion, in letters, digits, dots, dashes and underscores only.

    Names that this changes get six digits of their hash, so that no two become one.
    """
    stem = file[: -len(".bvh")] if file.lower().endswith(".bvh") else file
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", stem)
    if plain != stem:
        plain += "-" + hashlib.sha256(stem.encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return f"{dataset}_{plain}"


def _clips(
    given: BvhSet, file: str, split: str, joints: Float64, captions: tuple[Caption, ...]
) -> Iterator[MocapClip]:
    base = motion_name(given.dataset, file)
    whole = tuple(c.text for c in captions if c.part is None)
    parts: dict[tuple[float, float], list[str]] = {}
    for caption in captions:
        if caption.part is not None:
            parts.setdefault(caption.part, []).append(caption.text)
    if whole or not parts:
        yield from _cut(base, split, whole, file, joints)
    for (start, end), texts in parts.items():
        first, last = (round(seconds * HUMANML3D.fps) for seconds in (start, end))
        name = f"{base}_{start:g}-{end:g}"
        yield from _cut(name, split, tuple(texts), file, joints[first : last + 1])


def _cut(
    name: str, split: str, captions: tuple[str, ...], source: str, joints: Float64
) -> Iterator[MocapClip]:
    bounds = [(0, len(joints))]
    if len(joints) > LONGEST_FRAMES:
        bounds = pieces(len(joints), PIECE_FRAMES)
    for i, (first, last) in enumerate(bounds):
        piece = joints[first:last].astype("float32")
        piece_name = name if len(bounds) == 1 else f"{name}_{i:03d}"
        yield MocapClip(piece_name, split, "", captions, source, piece)


def _prepared(clip: MocapClip, place: str) -> Iterator[Motion | Reject]:
    """The clip and its mirror image, or a reject that is named by its place in the folder."""
    shortest = HUMANML3D.clip_rows[0]
    if len(clip.joints) <= shortest:
        reason = f"it has {len(clip.joints)} frames at 20 fps, at least {shortest + 1} are needed"
        yield Reject(place, reason)
        return
    try:
        yield from prepare_clip(clip)
    except ValueError as error:
        yield Reject(place, str(error))
