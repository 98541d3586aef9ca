"""What an export wrote: a manifest when it is done, a journal until then.

The journal makes a killed export go on where it was: each motion's line is written after its file.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.render.out_files import replaced_when_done

MANIFEST = "export.json"
JOURNAL = ".export-unfinished.jsonl"
LOCK = ".lock"
"""The caller's, while it writes."""
HALF_DONE = (".unfinished-*", ".*.unfinished")
"""What a killed run leaves of the file that it was writing."""
CHANGED = "the store, what was decided, or the options differ"


class Journal:
    """The record of one export into a folder; `begin_export` makes it."""

    def __init__(
        self, folder: Path, request: Mapping[str, Any], done: dict[str, dict[str, Any]]
    ) -> None:
        self.folder = folder
        self.request = request
        self.done = done
        """By motion id (or shard): what is written already."""

    def note(self, key: str, entry: Mapping[str, Any]) -> None:
        """Remember that something is written."""
        self.done[key] = dict(entry)
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as file:
            file.write(_line({"key": key, "entry": self.done[key]}))

    def finish(self, facts: Mapping[str, Any]) -> Path:
        """Write the manifest and forget the journal; returns the manifest's path."""
        out = self.folder / MANIFEST
        text = json.dumps({"request": self.request, **facts}, indent=1, ensure_ascii=False)
        with replaced_when_done(out, ".json") as unfinished:
            # A file's name may be no UTF-8: an escape says so, and JSON readers give it back.
            unfinished.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        (self.folder / JOURNAL).unlink(missing_ok=True)
        return out


def begin_export(folder: Path, request: Mapping[str, Any], *, overwrite: bool) -> Journal:
    """Make the folder, or go on with what an earlier run of the same export left there.

    Args:
        folder: To write to.
        request: Plain values that say what is exported, and how: what makes two exports the same.
        overwrite: Begin anew whatever the folder holds; files of other names stay.

    Raises:
        ValueError: The folder cannot be made, or holds something else.
    """
    plain = json.loads(json.dumps(request))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = any(entry.name != LOCK for entry in folder.iterdir())
        done = {} if overwrite or not there else _left_by(folder, plain)
        lines = [{"request": plain}, *({"key": k, "entry": entry} for k, entry in done.items())]
        with replaced_when_done(folder / JOURNAL, ".jsonl") as unfinished:
            unfinished.write_text("".join(map(_line, lines)), encoding="utf-8")
        (folder / MANIFEST).unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(f"cannot write to {folder}: {error.strerror or error}") from error
    return Journal(folder, plain, done)


def _left_by(folder: Path, request: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What an earlier run of this export wrote.

    Raises:
        ValueError: The folder holds another export, or no export at all.
    """
    journal, manifest = folder / JOURNAL, folder / MANIFEST
    if journal.is_file():
        lines = [_parsed(line) for line in _text(journal).split("\n")]
        before = (lines[0] if lines else {}).get("request")
        entries = {str(line["key"]): line["entry"] for line in lines[1:] if "key" in line}
    elif manifest.is_file():
        held = _parsed(_text(manifest))
        before = held.get("request")
        entries = {str(entry.get("id", "")): entry for entry in held.get("motions", [])}
    else:
        raise ValueError(f"{folder} is not empty: give a new folder, or --overwrite")
    if before != request:
        raise ValueError(
            f"{folder} holds another export ({CHANGED}): give a new folder, or --overwrite"
        )
    for pattern in HALF_DONE:
        for path in list(folder.rglob(pattern)):
            path.unlink(missing_ok=True)
    return entries


def _text(path: Path) -> str:
    """A file's text, also where a kill or a full disk cut it off within a letter."""
    return path.read_text(encoding="utf-8", errors="replace")


def _parsed(text: str) -> dict[str, Any]:
    """JSON that should be an object; a line that a kill cut off says nothing."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _line(value: Mapping[str, Any]) -> str:
    """ASCII alone: some letters of other scripts' texts are ends of lines."""
    return json.dumps(value) + "\n"


def sorted_entries(done: Mapping[str, Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Entries in the order of their keys, whatever order they were written in."""
    return [entry for _, entry in sorted(done.items())]


def summary(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What all entries come to.

    Returns:
        `exported`, `seconds`, and of rigged motions `deviation_mean_mm` (over all frames) and
        `deviation_max_mm`.
    """
    found = list(entries.values())
    out: dict[str, Any] = {
        "exported": len(found),
        "seconds": round(sum(entry.get("seconds", 0.0) for entry in found), 3),
    }
    rigged = [entry for entry in found if "deviation_mean_mm" in entry]
    if rigged:
        frames = sum(entry["frames"] for entry in rigged)
        total = sum(entry["deviation_mean_mm"] * entry["frames"] for entry in rigged)
        out["deviation_mean_mm"] = round(total / frames, 3)
        out["deviation_max_mm"] = max(entry["deviation_max_mm"] for entry in rigged)
    return out
