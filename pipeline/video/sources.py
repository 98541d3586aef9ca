"""Which files to ingest: one file, a folder, a UCF101 tree, or a list in CSV or Parquet."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"}
)
LIST_SUFFIXES = frozenset({".csv", ".parquet"})
UCF101_NAME = re.compile(r"v_(?P<action>[^_]+)_g(?P<group>\d+)_c(?P<clip>\d+)", re.IGNORECASE)
"""UCF101's file names: action, group of clips cut from one recording, clip within the group."""


@dataclass(frozen=True)
class SourceClip:
    """One file to read, with what its name and place say about it."""

    path: Path
    """Absolute."""
    name: str
    """Relative to the folder given, with forward slashes: how the clip is called everywhere."""
    action: str | None
    group: int | None
    clip: int | None
    caption: str | None = None
    url: str | None = None
    """Where it lies when that is no path of this machine; `path` is then a copy's."""

    @property
    def place(self) -> str:
        """What the tables call its path."""
        return self.url or in_unicode(str(self.path))


class NoVideos(ValueError):  # noqa: N818 - named as the situation it reports
    """A folder in which there is no video yet."""


def find_videos(spec: str | Path) -> list[SourceClip]:
    """List the videos that a user means.

    Args:
        spec: A file of any name; a folder, searched recursively for video suffixes (hidden and
            half-written files are skipped, broken ones are not); or a `.csv` / `.parquet` list
            with a column `path` (relative to the list's folder) and, if known, `action` and
            `caption`.

    Returns:
        Clips: a list's in its order, a folder's sorted by name.

    Raises:
        NoVideos: The folder has none.
        ValueError: Nothing there, or a list without a `path` column.
    """
    given = Path(spec).absolute()
    if given.is_dir():
        clips = [_clip(path, given) for path in sorted(given.rglob("*")) if _is_video(path, given)]
        if not clips:
            known = ", ".join(sorted(VIDEO_SUFFIXES))
            raise NoVideos(f"{spec} holds no video: give a folder with files ending in {known}.")
        return clips
    if not given.exists():
        raise ValueError(f"{spec} does not exist: give a video, a folder of videos, or a list.")
    if given.suffix.lower() in LIST_SUFFIXES:
        return [_listed(row, given) for row in _read_list(given)]
    return [_clip(given, given.parent)]


def is_video_name(name: str) -> bool:
    """Whether a name below the folder given is a video's: its suffix says so, nothing is hidden."""
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and path.suffix.lower() in VIDEO_SUFFIXES


def clip_named(name: str, path: Path, url: str | None = None) -> SourceClip:
    """Read action, group and clip from a UCF101 name; else the folder's name is the action.

    Args:
        name: Relative to the folder or bucket given.
        path: Where the file lies, or its copy will.
        url: Its address when it is no file of this machine.
    """
    inside = PurePosixPath(name)
    named = UCF101_NAME.fullmatch(inside.stem)
    return SourceClip(
        path=path,
        name=in_unicode(name),
        action=named["action"] if named else in_unicode(inside.parent.name) or None,
        group=int(named["group"]) if named else None,
        clip=int(named["clip"]) if named else None,
        url=url,
    )


def in_unicode(text: str) -> str:
    """A file's name as tables and pages can hold it: bytes that are no UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _is_video(path: Path, root: Path) -> bool:
    return is_video_name(path.relative_to(root).as_posix()) and path.is_file()


def _clip(path: Path, root: Path) -> SourceClip:
    return clip_named(path.relative_to(root).as_posix(), path)


def _listed(row: Mapping[str, str | None], listing: Path) -> SourceClip:
    """A row of a list; what it says goes before what the file's name says."""
    given = row["path"] or ""
    path = (listing.parent / given).absolute()
    inside = path.is_relative_to(listing.parent)
    clip = _clip(path, listing.parent if inside else path.parent)
    return SourceClip(
        path=path,
        name=clip.name if inside else given,
        action=row.get("action") or clip.action,
        group=clip.group,
        clip=clip.clip,
        caption=row.get("caption") or None,
    )


def _read_list(listing: Path) -> list[dict[str, str | None]]:
    """The rows of a list that name a path."""
    rows = _read_csv(listing) if listing.suffix.lower() == ".csv" else _read_parquet(listing)
    return [row for row in rows if row["path"]]


def _read_csv(listing: Path) -> list[dict[str, str | None]]:
    with listing.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        _require_path_column(listing, reader.fieldnames or [])
        return list(reader)


def _read_parquet(listing: Path) -> list[dict[str, str | None]]:
    # Imported here because the decoding process imports this package and needs no Arrow.
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = pq.read_table(listing)
    _require_path_column(listing, table.column_names)
    rows: list[dict[str, str | None]] = table.to_pylist()
    return rows


def _require_path_column(listing: Path, columns: Sequence[str]) -> None:
    if "path" not in columns:
        found = ", ".join(columns) or "none"
        raise ValueError(
            f"{listing} has no column 'path' (its columns: {found}): add one with each video's "
            "path, relative to the list's folder."
        )
