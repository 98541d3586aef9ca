"""The content hash that names a file in every table."""

import hashlib
from collections.abc import Callable
from pathlib import Path

CHUNK_BYTES = 4 * 1024 * 1024


def sha256_of(path: Path, beat: Callable[[], None] = lambda: None) -> str:
    """SHA-256 of a file's bytes in hex, read in pieces; `beat` is called after each."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            beat()
    return digest.hexdigest()
