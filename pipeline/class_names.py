"""A file of class names, one a line, as label maps and UCF101's classInd.txt are written."""

import re
from pathlib import Path

NUMBERED = re.compile(r"(\d+)[\s,]+(\S.*)")
MOST_BYTES = 1 << 20


def read_class_names(path: Path) -> tuple[str, ...]:
    """Names by class number, from 0.

    Args:
        path: UTF-8 text: a name a line, or `NUMBER NAME` a line with numbers from 0 or from 1
            (which then stands for class 0) and none left out.

    Raises:
        ValueError: No such file, no text, or numbers left out.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path} is too large for a list of class names")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"--classes {path} cannot be read as text: give a file with one name a line"
        ) from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [NUMBERED.fullmatch(line) for line in lines]
    found = [(int(m[1]), m[2]) for m in numbered if m is not None]
    if not lines:
        raise ValueError(f"--classes {path} is empty: give a file with one name a line")
    if len(found) < len(lines):
        return tuple(lines)
    first = min(number for number, _ in found)
    if first > 1 or sorted(n for n, _ in found) != list(range(first, first + len(found))):
        raise ValueError(f"--classes {path}: its numbers do not run from 0 or 1 without a gap")
    return tuple(name for _, name in sorted(found))


def class_of(label: str | None, names: tuple[str, ...]) -> str | None:
    """The name of a class number; None without names or number.

    Raises:
        ValueError: There is no name for that number.
    """
    if not names or label is None or not label.isdecimal():
        return None
    if int(label) >= len(names):
        raise ValueError(
            f"--classes has {len(names)} names, and the file has a class {label} (from 0): "
            "give the list that belongs to the file"
        )
    return names[int(label)]
