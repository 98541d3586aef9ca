"""Read a BVH file: its joint tree, its channels, and its frames.

Written out because files from Xsens, Maya and several data sets move every joint by position
channels and name joints with spaces; the packaged readers refuse both.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.arrays import Float64

MAX_BYTES = 1 << 30
"""Larger files are refused: an hour at 120 fps with 100 channels is about 400 MB."""
MIN_FPS, MAX_FPS = 1.0, 1000.0
ROUND_FPS_TOLERANCE = 2e-4
"""A frame time of 0.0333333 is 30 fps cut to seven digits."""
END_SUFFIX = " end"
"""The tip of a bone that carries no further joint is named `<joint> end`."""
_CHANNEL = re.compile(r"[XYZ](?:position|rotation)", re.IGNORECASE)
_BREAKS = re.compile(r"([{}])|\b(?=(?:OFFSET|CHANNELS)\s)")
_COUNT = re.compile(r"\s*Frames:\s*(\S+)\s*$", re.IGNORECASE)
_TIME = re.compile(r"\s*Frame\s+Time:\s*(\S+)\s*$", re.IGNORECASE)


class BvhError(ValueError):
    """A file that is no usable BVH; the message is one sentence."""


@dataclass(frozen=True)
class BvhNode:
    """One joint of the tree, or the tip of a last bone."""

    name: str
    parent: int
    """Index of the parent, -1 for the root; parents come first."""
    offset: tuple[float, float, float]
    """From the parent, in the file's length unit."""
    channels: tuple[str, ...] = ()
    """`xposition`, `zrotation`, ...: lower case, in the order in which the file lists them."""


@dataclass(frozen=True)
class BvhFile:
    """A parsed file."""

    nodes: tuple[BvhNode, ...]
    values: Float64
    """(T, C) degrees and lengths, one column a channel, node after node."""
    fps: float

    def __repr__(self) -> str:
        return f"BvhFile({len(self.nodes)} nodes, values {self.values.shape}, {self.fps:g} fps)"


@dataclass
class _Draft:
    name: str
    parent: int
    offset: list[float] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)


def read_bvh(path: Path) -> BvhFile:
    """Parse a BVH file.

    Raises:
        BvhError: Not a BVH, cut off, or with values that cannot be used; says which.
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise BvhError(f"the file has {size >> 20} MiB, and at most {MAX_BYTES >> 20} are read")
    text = path.read_text(encoding="utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if not text.startswith("HIERARCHY"):
        raise BvhError("this is not a BVH file: it does not begin with HIERARCHY")
    # The last one: a joint may be called so, and only numbers follow.
    tree, found, motion = text.removeprefix("HIERARCHY").rpartition("MOTION")
    if not found:
        raise BvhError("the file ends before its MOTION part: it is cut off")
    nodes = _nodes(tree)
    frames, fps, rows = _header(motion)
    return BvhFile(nodes, _values(rows, frames, sum(len(n.channels) for n in nodes)), fps)


def _nodes(tree: str) -> tuple[BvhNode, ...]:
    drafts: list[_Draft] = []
    open_nodes: list[int] = []
    name = ""
    for line in _BREAKS.sub(r"\n\1\n", tree).splitlines():
        word, *rest = line.split(None, 1) or [""]
        kind, said = word.upper(), " ".join(rest).strip()
        if kind in ("ROOT", "JOINT"):
            name = said
        elif kind == "END":
            name = (drafts[open_nodes[-1]].name if open_nodes else "") + END_SUFFIX
        elif kind == "{":
            drafts.append(_Draft(name, open_nodes[-1] if open_nodes else -1))
            open_nodes.append(len(drafts) - 1)
        elif kind and not open_nodes:
            raise BvhError(f"the HIERARCHY part holds '{word[:40]}' outside every joint")
        elif kind == "}":
            open_nodes.pop()
        elif kind == "OFFSET":
            drafts[open_nodes[-1]].offset = _numbers(said)
        elif kind == "CHANNELS":
            drafts[open_nodes[-1]].channels = _channels(said, drafts[open_nodes[-1]].name)
        elif kind:
            raise BvhError(f"the HIERARCHY part holds the unknown word '{word[:40]}'")
    if open_nodes or not drafts:
        raise BvhError("the HIERARCHY part is incomplete: joints are missing or not closed")
    return tuple(_node(draft) for draft in drafts)


def _node(draft: _Draft) -> BvhNode:
    if len(draft.offset) != 3 or not np.isfinite(draft.offset).all():
        raise BvhError(f"joint '{draft.name}' needs an OFFSET of three numbers")
    x, y, z = draft.offset
    return BvhNode(draft.name, draft.parent, (x, y, z), tuple(draft.channels))


def _numbers(said: str) -> list[float]:
    try:
        return [float(word) for word in said.split()]
    except ValueError:
        raise BvhError(f"an OFFSET holds '{said[:40]}' where numbers belong") from None


def _channels(said: str, joint: str) -> list[str]:
    count, *names = said.split() or [""]
    if not count.isdigit() or int(count) != len(names):
        raise BvhError(f"the CHANNELS of '{joint}' name {len(names)} channels but announce {count}")
    wrong = [name for name in names if not _CHANNEL.fullmatch(name)]
    if wrong:
        raise BvhError(f"the CHANNELS of '{joint}' hold '{wrong[0][:40]}', which is unknown")
    return [name.lower() for name in names]


def _header(motion: str) -> tuple[int, float, list[str]]:
    """The announced frame count, the frames a second, and the lines of numbers."""
    lines = [line for line in motion.splitlines() if line.strip()]
    count = _COUNT.match(lines[0]) if lines else None
    time = _TIME.match(lines[1]) if len(lines) > 1 else None
    if count is None or time is None:
        raise BvhError("the MOTION part must begin with 'Frames:' and 'Frame Time:'")
    try:
        frames, seconds = int(count[1]), float(time[1])
    except ValueError:
        raise BvhError(f"'{count[1][:20]}' frames of '{time[1][:20]}' s are no numbers") from None
    if not 1 / MAX_FPS <= seconds <= 1 / MIN_FPS:
        raise BvhError(f"a frame time of {seconds:g} s is not between 1/{MAX_FPS:g} and 1 s")
    fps = 1 / seconds
    return frames, round(fps) if abs(fps / round(fps) - 1) < ROUND_FPS_TOLERANCE else fps, lines[2:]


def _values(rows: list[str], frames: int, channels: int) -> Float64:
    if not rows:
        raise BvhError("the file has no motion: not one frame follows the header")
    if len(rows) != frames:
        cut = "it is cut off" if len(rows) < frames else "the header is wrong"
        raise BvhError(f"the file announces {frames} frames and holds {len(rows)}: {cut}")
    try:
        values = np.loadtxt(rows, dtype=np.float64, ndmin=2)
    except ValueError:
        wrong = next((i for i, row in enumerate(rows) if not _is_row(row, channels)), 0)
        raise BvhError(f"frame {wrong} does not hold {channels} numbers") from None
    if values.shape[1] != channels:
        raise BvhError(
            f"a frame holds {values.shape[1]} numbers, but the joints have {channels} channels"
        )
    if not np.isfinite(values).all():
        wrong = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise BvhError(f"frame {wrong} holds values that are not finite")
    return values


def _is_row(row: str, channels: int) -> bool:
    try:
        return len([float(word) for word in row.split()]) == channels
    except ValueError:
        return False
