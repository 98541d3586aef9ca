"""A finetuning in a process of its own that is killed in the middle of its gate.

python finetune_victim.py MOCAP WILD PARENT OUT
"""

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from finetune_parts import Parts, quick

import flows.gate
from flows.finetune import run_finetune
from models.data.motion import Motion


def killed_at_the_second(motions: Iterable[Motion], _what: str) -> Iterator[Motion]:
    """Passes one motion on."""
    for number, motion in enumerate(motions):
        if number:
            os.kill(os.getpid(), signal.SIGKILL)
        yield motion


def main() -> None:
    """Run it."""
    mocap, wild, parent, out = map(Path, sys.argv[1:])
    flows.gate.progress = lambda motions, what, _unit: killed_at_the_second(motions, what)
    with quick():
        run_finetune(Parts(mocap, wild, parent).options(out))


if __name__ == "__main__":
    main()
