"""Captions of motion files: HumanML3D's text files, and a user's own list (CSV, TSV or JSON)."""

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

SPLITS = ("train", "val", "test")
LIST_KINDS = (".csv", ".tsv", ".json")


@dataclass(frozen=True)
class Caption:
    """One sentence about a motion or a part of it."""

    text: str
    tokens: tuple[str, ...] = ()
    """`word/POS` as in HumanML3D's files; empty when the source has none."""
    start: float = 0.0
    """Seconds; start = end = 0 means the whole motion."""
    end: float = 0.0

    @property
    def part(self) -> tuple[float, float] | None:
        """(start, end) of the part that is meant, None for the whole motion."""
        return None if self.start == 0.0 and self.end == 0.0 else (self.start, self.end)


@dataclass(frozen=True)
class FileCaptions:
    """What a list says about one file."""

    captions: tuple[Caption, ...] = ()
    split: str = ""
    """train, val, test, or empty: not said."""


def read_text_file(path: Path) -> tuple[Caption, ...]:
    """Captions of one of HumanML3D's text files: lines `caption#word/POS word/POS#start#end`.

    A time that is not a number counts as 0, as in the published loader.

    Raises:
        ValueError: A line has another form; says which.
        OSError: The file cannot be read.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(_line(line, i + 1) for i, line in enumerate(lines) if line.strip())


def _line(line: str, number: int) -> Caption:
    parts = line.strip().rsplit("#", 3)
    if len(parts) != 4:
        raise ValueError(f"line {number} of its text file is not 'caption#tokens#start#end'")
    text, tokens, start, end = parts
    interval = (_seconds(start, f"line {number}"), _seconds(end, f"line {number}"))
    return Caption(text.strip(), tuple(tokens.split()), *interval)


def _seconds(said: str, where: str) -> float:
    try:
        value = float(said or 0.0)
    except ValueError:
        raise ValueError(f"{where} of its captions has the time '{said[:20]}'") from None
    if math.isinf(value) or value < 0:
        raise ValueError(f"{where} of its captions has the time '{said[:20]}'")
    return 0.0 if math.isnan(value) else value


def read_captions(path: Path) -> dict[str, FileCaptions]:
    """Captions by file: from a list, or from a folder of HumanML3D-style text files.

    A list has the columns `file` and `caption`, and may have `split`, `start` and `end` (seconds);
    several lines may name one file. JSON: a list of such records, or `{file: caption or
    [captions]}`.

    Returns:
        By file name as given, forward slashes, without the ending `.bvh` or `.txt`.

    Raises:
        ValueError: Nothing there, or a line that cannot be used; says which.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.txt"))
        return {key_of(str(f.relative_to(path))): FileCaptions(read_text_file(f)) for f in files}
    if not path.exists():
        raise ValueError(f"captions {path}: there is no such file or folder")
    if not path.is_file() or path.suffix.lower() not in LIST_KINDS:
        raise ValueError(
            f"captions {path} must be a .csv, .tsv or .json file, or a folder of .txt files"
        )
    out: dict[str, FileCaptions] = {}
    for number, record in enumerate(_records(path), start=1):
        where = f"record {number} of {path.name}"
        key = key_of(_text(record, "file", where))
        out[key] = _joined(out.get(key, FileCaptions()), _record(record, where), where)
    return out


def key_of(name: str) -> str:
    """A motion file's name as the lists are searched for it."""
    plain = PurePosixPath(name.strip().replace("\\", "/"))
    known = plain.suffix.lower() in (".bvh", ".txt")
    return str(plain.with_suffix("") if known else plain)


def captions_for(name: str, captions: Mapping[str, FileCaptions]) -> tuple[str, FileCaptions]:
    """What the list says about a file: by its path, else by its bare name.

    Returns:
        The list's key ("" when it says nothing) and the captions.
    """
    key = key_of(name)
    for candidate in (key, PurePosixPath(key).name):
        if candidate in captions:
            return candidate, captions[candidate]
    return "", FileCaptions()


def _records(path: Path) -> list[dict[str, object]]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if path.suffix.lower() != ".json":
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        return _table(text, delimiter, path.name)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not JSON: {error}") from error
    if isinstance(values, dict):
        said = ((f, c) for f, cs in values.items() for c in (cs if isinstance(cs, list) else [cs]))
        return [{"file": file, "caption": caption} for file, caption in said]
    if not isinstance(values, list) or not all(isinstance(v, dict) for v in values):
        raise ValueError(f"{path.name} must hold a list of records or an object of captions")
    return values


def _table(text: str, delimiter: str, name: str) -> list[dict[str, object]]:
    lines = io.StringIO(text, newline="")
    reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        columns = [c.strip() for c in reader.fieldnames or []]
        if not {"file", "caption"} <= set(columns):
            raise ValueError(f"{name} needs the columns file and caption in its first line")
        reader.fieldnames = columns
        return [_row(row, f"record {i} of {name}") for i, row in enumerate(reader, start=1)]
    except csv.Error as error:
        raise ValueError(f"{name} cannot be read as a table: {error}") from error


def _row(row: Mapping[str | None, object], where: str) -> dict[str, object]:
    """The row without cells that no column names; a caption must not end at its first comma."""
    beyond = row.get(None)
    if isinstance(beyond, list) and any(str(cell).strip() for cell in beyond):
        raise ValueError(
            f"{where} has more cells than the first line has columns: put a caption that holds "
            "the separator into double quotes"
        )
    return {name: value for name, value in row.items() if name is not None}


def _record(record: Mapping[str, object], where: str) -> FileCaptions:
    split = _text(record, "split", where, needed=False)
    if split and split not in SPLITS:
        raise ValueError(f"{where} has the split '{split[:20]}', not one of {', '.join(SPLITS)}")
    text = _text(record, "caption", where, needed=False)
    start, end = (_seconds(_text(record, k, where, needed=False), where) for k in ("start", "end"))
    if (start or end) and end <= start:
        raise ValueError(f"{where} ends at {end:g} s, not after its start at {start:g} s")
    return FileCaptions((Caption(text, (), start, end),) if text else (), split)


def _text(record: Mapping[str, object], name: str, where: str, *, needed: bool = True) -> str:
    value = record.get(name)
    text = "" if value is None else str(value).strip()
    if isinstance(value, list | dict) or (needed and not text):
        raise ValueError(f"{where} has no {name}")
    return text


def _joined(before: FileCaptions, new: FileCaptions, where: str) -> FileCaptions:
    if before.split and new.split and before.split != new.split:
        raise ValueError(
            f"{where} puts its file into '{new.split}', an earlier line said otherwise"
        )
    return replace(
        before, captions=(*before.captions, *new.captions), split=new.split or before.split
    )
