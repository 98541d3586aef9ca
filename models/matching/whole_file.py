"""Small files that appear whole or not at all."""

from pathlib import Path
from uuid import uuid4


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the file's place and rename.

    The name in between is new each time: two that write the same file do not mix.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    partial = path.with_name(f".{path.name}-{uuid4().hex}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
