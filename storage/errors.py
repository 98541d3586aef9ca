"""What can be wrong with a store, each said in one sentence, never in a library's words alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa
from deltalake.exceptions import CommitFailedError, DeltaError

DETAIL_LENGTH = 200
"""Characters of a library's own message that are passed on."""
_ARROW = re.compile(r"(\x1b\[\d+m)*↳(\x1b\[\d+m)*")
"""The table library prints a chain of causes, one a line behind a coloured arrow."""


class StoreError(Exception):
    """The store cannot be used as asked; the message is one sentence for a human."""


class RecipeMismatch(StoreError):  # noqa: N818 - named as the situation it reports
    """A data set would be continued with another recipe than it was begun with."""


class UnknownMotion(StoreError):  # noqa: N818 - named as the situation it reports
    """No visible motion has this id."""


@contextmanager
def told_plainly(doing: str) -> Iterator[None]:
    """Turn what the table library raises into a `StoreError`; commit conflicts pass through.

    Args:
        doing: What was attempted and where, to follow "cannot", e.g. `open table x at y`.

    Raises:
        StoreError: The library refused, the disk did, or the library panicked.
    """
    try:
        yield
    except CommitFailedError:
        raise
    except (DeltaError, pa.ArrowException, duckdb.Error, OSError, ValueError) as error:
        raise StoreError(f"cannot {doing}: {in_short(error)}") from error
    except BaseException as error:
        # A panic inside the Rust core is a BaseException that no type can be imported for.
        if type(error).__name__ != "PanicException":
            raise
        raise StoreError(f"cannot {doing}: {in_short(error)}") from error


def in_short(error: BaseException) -> str:
    """A library's message on one line: what failed, and the deepest cause it names."""
    lines = _ARROW.sub("", str(error)).strip().splitlines() or [type(error).__name__]
    said = lines[0].partition(": ParsedLogPath {")[0].strip()
    if _ARROW.search(str(error)) and len(lines) > 1:
        said = f"{said}: {lines[-1].strip()}"
    return said[:DETAIL_LENGTH]
