"""NumPy files that others wrote: read without running anything, refused without a traceback."""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

UNREADABLE = (
    ValueError,
    OSError,
    EOFError,
    MemoryError,  # a damaged header that announces terabytes
    SyntaxError,
    tokenize.TokenError,  # a damaged header
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy raises on damaged `.npy` and `.npz` files; it has no error of its own for them."""


def read_npy(path: Path) -> np.ndarray[Any, Any]:
    """The array of a `.npy` file, whatever it holds except Python objects.

    Raises:
        ValueError: Not such a file, damaged, or cut off.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except UNREADABLE as error:
        raise ValueError(f"{path} is damaged or no .npy file") from error
    if not isinstance(values, np.ndarray):
        values.close()
        raise ValueError(f"{path} is an archive of arrays, not a .npy file")
    return values
