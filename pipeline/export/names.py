"""File names for motions: ids may hold slashes, spaces, any script; file systems hold less."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

LONGEST = 100
"""Letters of a name, without its ending."""
HASH_LETTERS = 6
MIRROR_PREFIX = "M"
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""


def file_names(motion_ids: Sequence[str], mirrored: Sequence[bool] = ()) -> dict[str, str]:
    """A file name without ending for each motion: letters, digits, dots, dashes, underscores.

    An id that is one already keeps it; any other gets six digits of its hash, so that no two become
    one, also where capitals do not count. A mirrored motion is named `M` and its original's name,
    as data sets of motion capture do.

    Args:
        motion_ids: All different.
        mirrored: Which of them are mirror images whose id is `M` and the original's; default: none.
    """
    flags = mirrored or [False] * len(motion_ids)
    out: dict[str, str] = {}
    taken: set[str] = set()
    for motion_id, flag in zip(motion_ids, flags, strict=True):
        is_copy = flag and motion_id.startswith(MIRROR_PREFIX)
        prefix = MIRROR_PREFIX if is_copy else ""
        name = prefix + _safe(motion_id.removeprefix(prefix))
        while name.lower() in taken:
            name = f"{name}-{_digits(motion_id)}"
        taken.add(name.lower())
        out[motion_id] = name
    return out


def labels_of_files(paths: Sequence[str]) -> tuple[str, ...]:
    """What to call motions that are files: by their bare names, where these differ."""
    stems = [Path(path).stem for path in paths]
    often = Counter(stems)
    labels = tuple(p if often[s] > 1 else s for p, s in zip(paths, stems, strict=True))
    # `a.npz.npz` has the bare name `a.npz`.
    return labels if len(set(labels)) == len(labels) else tuple(paths)


def _safe(text: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:LONGEST].lstrip("._-").rstrip(".")
    if _RESERVED.fullmatch(plain):
        plain = f"motion_{plain}"
    return plain if plain and plain == text else f"{plain or 'motion'}-{_digits(text)}"


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:HASH_LETTERS]
