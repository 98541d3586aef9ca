"""How long a run of this installation takes to start: a real ingest of one file that is no video.

In a folder and under a Prefect home of its own, so that no server, store or event hears of it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline.stopwatch import Stopwatch

TIMEOUT_S = 300.0


def measure_start() -> float:
    """Seconds that an ingest needs when there is next to nothing to do.

    The first of two runs makes Prefect's database, which users have already; the second counts.

    Raises:
        ValueError: The tiny run failed; says with what.
    """
    with tempfile.TemporaryDirectory(prefix="crossdiff-start-") as folder:
        home = Path(folder)
        file = home / "nothing.avi"
        file.write_bytes(b"no video")
        environment = {**os.environ, "PREFECT_HOME": str(home / "prefect")}
        environment.pop("PREFECT_API_URL", None)
        for number in ("first", "second"):
            watch = Stopwatch()
            _ingest(file, home.joinpath(number), environment)
            seconds = watch.seconds
    return seconds


def _ingest(file: Path, store: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "flows.cli", "ingest", str(file), "--dataset", "start"]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, no shell
            [*command, "--out", str(store), "--json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"--measure-start: the tiny run took over {TIMEOUT_S:.0f} s, leave the option out"
        ) from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ValueError(f"--measure-start: the tiny run failed, leave the option out ({said})")
