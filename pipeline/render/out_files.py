"""Files that appear whole or not at all: written beside their place, renamed when done."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_when_done(out: Path | str, suffix: str) -> Iterator[Path]:
    """A temporary file in the folder of `out` that takes its place when the block ends well.

    Args:
        out: The file wanted.
        suffix: The ending that it must have, e.g. `.mp4`.

    Yields:
        The temporary file's path. It is removed when the block raises.

    Raises:
        ValueError: `out` cannot be written; the message is one sentence.
    """
    target = check_out_file(out, suffix)
    unfinished = _temporary(target, out)
    try:
        yield unfinished
        try:
            unfinished.chmod(0o666 & ~_umask())
            unfinished.replace(target)
        except OSError as error:
            raise ValueError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def check_out_file(out: Path | str, suffix: str) -> Path:
    """The absolute path of a file to write, if it can be one.

    Raises:
        ValueError: It has another ending, is a folder, or its folder does not exist.
    """
    target = Path(out).absolute()
    if target.suffix.lower() != suffix:
        raise ValueError(f"cannot write {out}: the name must end in {suffix}")
    try:
        is_folder, has_folder = target.is_dir(), target.parent.is_dir()
    except OSError as error:
        raise ValueError(f"cannot write {out}: {error.strerror or error}") from error
    if is_folder:
        raise ValueError(f"cannot write {out}: it is a folder")
    if not has_folder:
        raise ValueError(f"cannot write {out}: there is no folder {target.parent}")
    return target


def _temporary(target: Path, out: Path | str) -> Path:
    """A new empty file beside the target."""
    try:
        number, name = tempfile.mkstemp(target.suffix, ".unfinished-", target.parent)
        os.close(number)
    except OSError as error:
        raise ValueError(f"cannot write {out}: {error.strerror or error}") from error
    return Path(name)


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
