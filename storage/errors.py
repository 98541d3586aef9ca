"""What can be wrong with a store, each said in one sentence, never in a library's words alone."""

import errno
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
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
"""How the table library writes an `errno`."""
_PASSING_ERRNO = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.ESTALE, errno.ETIMEDOUT, errno.EPIPE, errno.ENETDOWN}
    | {errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.ENETRESET}
    | {errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOTCONN}
)
_PASSING_WORDS = re.compile(
    r"connect error|connection (?:refused|reset|closed|aborted|timed out)|error sending request"
    r"|could not (?:connect|resolve)|network_connection|failed to lookup address|timed out"
    r"|deadline has elapsed|service unavailable|slow ?down|too many requests|bad gateway"
    r"|internal server error|status (?:code:? |\d* ?)?(?:429|5\d\d)\b",
    re.IGNORECASE,
)
"""What the object stores' clients say of a server that is away or overloaded: they raise one type
for that and for a refusal. Not "timeout": every message names their own `retry_timeout`."""


class StoreError(Exception):
    """The store cannot be used as asked; the message is one sentence for a human."""


class StoreUnreachable(StoreError):  # noqa: N818 - named as the situation it reports
    """The store is out of reach, or held by others: the same call may work a little later."""


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
        StoreUnreachable: The store did not answer, or not in time.
        StoreError: The library refused, the disk did, or the library panicked.
    """
    try:
        yield
    except CommitFailedError:
        raise
    except (DeltaError, pa.ArrowException, duckdb.Error, OSError, ValueError) as error:
        kind = StoreUnreachable if may_pass(error) else StoreError
        raise kind(f"cannot {doing}: {in_short(error)}") from error
    except BaseException as error:
        # A panic inside the Rust core is a BaseException that no type can be imported for.
        if type(error).__name__ != "PanicException":
            raise
        raise StoreError(f"cannot {doing}: {in_short(error)}") from error


def may_pass(error: BaseException) -> bool:
    """Whether an error is about reaching the store, not about what was asked of it.

    Judged by type and `errno` where the library gives them, else by what its text says.
    """
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _PASSING_ERRNO
    text = str(error)
    numbers = {int(found) for found in _OS_ERROR.findall(text)}
    return bool(numbers & _PASSING_ERRNO) or _PASSING_WORDS.search(text) is not None


def in_short(error: BaseException) -> str:
    """A library's message on one line: what failed, and the deepest cause it names."""
    lines = _ARROW.sub("", str(error)).strip().splitlines() or [type(error).__name__]
    said = lines[0].partition(": ParsedLogPath {")[0].strip()
    if _ARROW.search(str(error)) and len(lines) > 1:
        said = f"{said}: {lines[-1].strip()}"
    return said[:DETAIL_LENGTH]
