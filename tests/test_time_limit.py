"""A shard that hangs is stopped, in a thread and in a process, and ends its process if need be."""

import subprocess
import sys
import threading
import time
from pathlib import Path

from flows.time_limit import EXIT_STATUS, TookTooLongError, time_limit
from pipeline.time_limits import FLOOR_S, percent, shard_limit_s

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1_000_000


def spin(until_s: float) -> None:
    deadline = time.monotonic() + until_s
    while time.monotonic() < deadline:
        time.sleep(0.01)


def test_work_within_its_limit_is_left_alone() -> None:
    with time_limit("shard a", 30.0):
        spin(0.05)


def test_a_thread_is_interrupted_between_lines() -> None:
    ended: list[BaseException] = []

    def work() -> None:
        try:
            with time_limit("shard b", 0.2):
                spin(30)
        except TookTooLongError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(15)
    assert [str(error) for error in ended] == ["shard b took more than 0 s and was stopped"]


STUCK = """
import threading, time
from flows.time_limit import TookTooLongError, time_limit
try:
    with time_limit("shard a", 0.2, grace_s=20.0):
        time.sleep(60)  # in the main thread, as in a pool's process, an alarm interrupts it
except TookTooLongError as error:
    print(error)
def work():
    with time_limit("shard c", 0.2, grace_s=0.3):
        time.sleep(60)  # in a thread, a system call that nothing interrupts
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def test_a_main_thread_is_woken_and_what_cannot_be_ends_with_its_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUCK], cwd=ROOT, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.stdout == "shard a took more than 0 s and was stopped\n"
    assert done.returncode == EXIT_STATUS
    assert "shard c took more than 0 s and cannot be interrupted" in done.stderr
    assert "run the same command again" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_limit_grows_with_the_clips_and_never_falls_below_the_floor() -> None:
    assert shard_limit_s([]) == FLOOR_S
    assert shard_limit_s([0]) > FLOOR_S
    small, large = shard_limit_s([MEGABYTE] * 8), shard_limit_s([100 * MEGABYTE] * 8)
    assert small < large
    # A minute at 2 Mbit/s is 15 MB; RTMPose-m takes 3 s a second of video on one core.
    assert shard_limit_s([15 * MEGABYTE]) > 60 * 3 * 2


def test_percent() -> None:
    assert [percent(0, 4), percent(1, 4), percent(4, 4), percent(0, 0)] == [0, 25, 100, 100]
