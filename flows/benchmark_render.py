"""`crossdiff benchmark render`: the renderer is no part of the package, it runs from a checkout."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import flows

RENDERER = "tests.benchmarks.synthetic"
NEEDED = ("anny", "embreex")


def render_clips(
    data: str, out: Path, *, split: str, clips: int, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """Run the renderer; what it says goes to stderr.

    Raises:
        ValueError: No checkout, the extra is missing, or the renderer failed.
    """
    root = _checkout()
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ValueError(
            f"rendering needs {' and '.join(missing)}: pip install 'crossdiff[synthetic]'"
        )
    where = data if "://" in data else _absolute(data)
    asked = ["--data", where, "--split", split, "--clips", str(clips), "--seed", str(seed)]
    command = [sys.executable, "-m", RENDERER, *asked, "--out", str(out.absolute())]
    done = subprocess.run(command, cwd=root, stdout=sys.stderr, check=False)  # noqa: S603 - no shell
    if done.returncode:
        raise ValueError("the renderer stopped before all clips were made; see above for why")
    told = {"out": str(out), "clips": clips, "split": split, "seed": seed}
    return told, [f"{clips} clips of {split} motions: {out}"]


def _checkout() -> Path:
    root = Path(str(flows.__file__)).parent.parent
    if not root.joinpath(*RENDERER.split("."), "__main__.py").is_file():
        raise ValueError(
            "the renderer is no part of the installed package: run this command from a checkout "
            "of the project (pip install -e)"
        )
    return root


def _absolute(data: str) -> str:
    """A local store as the renderer finds it from the checkout's root; `@version` stays."""
    return str(Path(data).absolute())
