"""The decoding process' address space: its limit, and whether a file met it."""

import re
import resource
from pathlib import Path

from pipeline.video import chatter

PEAK = re.compile(r"^VmPeak:\s*(\d+) kB", re.MULTILINE)
AT_LIMIT = 0.9
"""Peak over limit from which a failure is put down to the limit."""
NEAR_LIMIT = 0.5
"""The same where a library also complained of memory: a refused request may be large."""


def limit_memory(memory_bytes: int | None) -> None:
    """Bound the address space, against files that unpack to far more than they weigh."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = resource.RLIM_INFINITY if memory_bytes is None else memory_bytes
    if hard != resource.RLIM_INFINITY:
        soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def is_starved() -> bool:
    """Whether a failure of this clip is owed to the memory limit and not to its data."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    peak_kib = PEAK.search(Path("/proc/self/status").read_text())
    if limit == resource.RLIM_INFINITY or peak_kib is None:
        return False
    share = int(peak_kib[1]) * 1024 / limit
    return share >= (NEAR_LIMIT if chatter.tells_starved() else AT_LIMIT)
