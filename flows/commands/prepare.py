"""`crossdiff prepare ...`: motion capture to a training set."""

from pathlib import Path

from tyro.conf import Positional

from flows.commands.outcome import Outcome


def mocap(
    folder: Positional[Path],
    /,
    out: Path,
    parts: tuple[str, ...] = ("cmu", "hdm05"),
    json: bool = False,
) -> Outcome:
    """Bring motion capture onto the canonical skeleton, mirrored, with caption embeddings.

    Args:
        folder: A packed mocap archive: NAME.npz and NAME.json per part.
        out: Folder for the training set (Parquet).
        parts: Which parts of the archive.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.prepare import prepare_mocap  # noqa: PLC0415

    data = prepare_mocap(folder, out, parts)
    return Outcome(data, [f"{key}: {value}" for key, value in data.items()])


def humanml3d(folder: Positional[Path], /, out: Path, json: bool = False) -> Outcome:
    """To be written.

    Args:
        folder: A folder.
        out: The store.
        json: Print one JSON object on stdout instead of text.
    """
    raise NotImplementedError


def kitml(folder: Positional[Path], /, out: Path, json: bool = False) -> Outcome:
    """To be written.

    Args:
        folder: A folder.
        out: The store.
        json: Print one JSON object on stdout instead of text.
    """
    raise NotImplementedError


def bvh(folder: Positional[Path], /, out: Path, json: bool = False) -> Outcome:
    """To be written.

    Args:
        folder: A folder.
        out: The store.
        json: Print one JSON object on stdout instead of text.
    """
    raise NotImplementedError
