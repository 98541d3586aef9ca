"""Videos whose frames carry their own number, so that a test can tell which frame it was given."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np

BITS = 10
CELL = 16
WIDTH, HEIGHT = BITS * CELL, 96
FPS = 25
MOVE = 3


def barcode(number: int) -> np.ndarray:
    """(96, 160, 3) picture: a moving pattern under a row of black and white cells."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    picture = ((rows + columns + MOVE * number) % 256 // 2 + 40)[..., None] + np.array([0, 20, 60])
    for bit in range(BITS):
        picture[:CELL, bit * CELL : (bit + 1) * CELL] = 255 if number >> bit & 1 else 0
    return picture.astype(np.uint8)


def number_of(picture: np.ndarray) -> int:
    """Which frame a decoded upright (96, 160, 3) picture is."""
    assert picture.shape == (HEIGHT, WIDTH, 3), picture.shape
    cells = picture[4 : CELL - 4].reshape(-1, BITS, CELL, 3)[:, :, 4:-4]
    return sum(1 << bit for bit in range(BITS) if cells[:, bit].mean() > 128)


def ffmpeg(*arguments: str | Path, feed: bytes | None = None) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, input=feed, check=True, capture_output=True)


def encode(path: Path, *options: str, frames: int = 100, rate: int = FPS) -> Path:
    """Write numbered frames with the given codec options; H.264 with B-frames by default."""
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(rate)]
    codec = options or ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "30", "-bf", "3")
    ffmpeg(
        *raw, "-i", "-", *codec, path, feed=b"".join(barcode(i).tobytes() for i in range(frames))
    )
    return path


def remux(source: Path, target: Path, *options: str, before: tuple[str, ...] = ()) -> Path:
    """Copy the coded pictures into another container."""
    ffmpeg(*before, "-i", source, "-c", "copy", *options, target)
    return target


def cut_bytes(source: Path, target: Path, fraction: float) -> Path:
    """Keep the first part of a file's bytes."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * fraction)])
    return target
