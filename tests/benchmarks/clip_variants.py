"""Many different clips from a few real ones: other moments, crops, mirror images and speeds.

Each is re-encoded, so no two have the same content and none is known to a store that has the
others; the person in it moves as people do.
"""

import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

from pipeline.reasons import PipelineError
from pipeline.video import read_frames

WIDEST = 360
"""Pixels: a benchmark of many clips has no time for large pictures."""
SPEEDS = (0.8, 1.25)
CROPS = (0.85, 1.0)


@dataclass(frozen=True)
class Source:
    """A real clip."""

    path: Path
    seconds: float


def sources_in(folder: Path, at_least_s: float) -> list[Source]:
    """Clips of a folder that can be read and are long enough, in the order of their names."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".avi", ".mp4", ".mov")):
        try:
            with read_frames(path) as stream:
                for _ in stream:
                    pass
                seconds = stream.info.duration_s
        except PipelineError:
            continue
        if seconds >= at_least_s:
            found.append(Source(path, seconds))
    return found


def make_variants(
    sources: list[Source], out: Path, count: int, lengths_s: tuple[float, float], seed: int
) -> list[Path]:
    """Write `count` clips named by number; the same arguments give the same clips.

    Args:
        sources: Taken in turn.
        out: Folder to write to.
        count: How many.
        lengths_s: Shortest and longest.
        seed: Of the choice of moments, crops, mirror images and speeds.
    """
    rng = random.Random(seed)
    out.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(count):
        source = sources[number % len(sources)]
        made.append(out / f"clip{number:05d}.mp4")
        _encode(source, made[-1], rng.uniform(*lengths_s), rng)
    return made


def _encode(source: Source, out: Path, length: float, rng: random.Random) -> None:
    speed, crop = rng.uniform(*SPEEDS), rng.uniform(*CROPS)
    taken = min(length * speed, source.seconds)
    start = rng.uniform(0.0, source.seconds - taken)
    left, top = rng.uniform(0, 1 - crop), (1 - crop) / 2
    filters = [
        f"crop=iw*{crop:.4f}:ih*{crop:.4f}:iw*{left:.4f}:ih*{top:.4f}",
        f"scale='min({WIDEST},iw)':-2",
        "pad=ceil(iw/2)*2:ceil(ih/2)*2",
        *(["hflip"] if rng.random() < 0.5 else []),
        f"setpts=(PTS-STARTPTS)/{speed:.4f}",
        "fps=25",
    ]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-threads", "1"]
    # After the input: a raw stream cannot be entered in the middle.
    command += ["-i", str(source.path), "-ss", f"{start / speed:.3f}", "-t", f"{length:.3f}"]
    command += ["-vf", ",".join(filters), "-an", "-c:v", "libx264", "-preset", "ultrafast"]
    subprocess.run([*command, "-crf", "20", "-threads", "1", str(out)], check=True)
