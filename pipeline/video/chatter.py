"""What C libraries write to standard error inside the decoding process, one clip at a time.

The parent gives the process a file for its standard error, so that nothing of this reaches the
user's terminal; the codecs' complaints in it are the only sign of damage that was patched up.
"""

import os
import re

STDERR_FD = 2
KEPT_BYTES = 256 * 1024
"""How much of the messages about one file is kept."""
LIBAV_LINE = rb"^\[[^\]\n]* @ [^\n]*?"
"""Start of a codec's or demuxer's message; other libraries' name the file, which may be called
anything."""
DAMAGE = re.compile(
    LIBAV_LINE + rb"(?:error while decoding|Error splitting|Error at MB|damaged|concealing"
    rb"|Invalid NAL|corrupt|Missing reference|reference picture missing|Invalid EBML)",
    re.MULTILINE,
)
STARVED = re.compile(
    rb"allocate memory|get_buffer\(\) failed|get frame failed ?-?12|Insufficient memory|bad_alloc"
)
CUT_OFF = re.compile(LIBAV_LINE + rb"(?:partial file|ended prematurely|truncat)", re.MULTILINE)


def forget() -> None:
    """Drop the messages, before a new clip."""
    os.ftruncate(STDERR_FD, 0)


def trim() -> None:
    """Keep the messages of a badly broken file from filling the disk."""
    if os.fstat(STDERR_FD).st_size > 4 * KEPT_BYTES:
        os.ftruncate(STDERR_FD, KEPT_BYTES)


def tells_damage() -> bool:
    """Whether a codec complained about the data of this clip."""
    return DAMAGE.search(_said()) is not None


def tells_cut_off() -> bool:
    """Whether a demuxer met the end of the file before it expected to."""
    return CUT_OFF.search(_said()) is not None


def tells_starved() -> bool:
    """Whether a library complained of memory; some of the words are also said of damaged data."""
    return STARVED.search(_said()) is not None


def _said() -> bytes:
    return os.pread(STDERR_FD, KEPT_BYTES, 0)
