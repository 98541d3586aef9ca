"""Pictures to an H.264 file that browsers play: one ffmpeg process, fed picture by picture."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np

from pipeline.arrays import UInt8
from pipeline.render.out_files import replaced_when_done

CRF = 21
"""x264's constant quality: 0 lossless, 51 worst; thin lines stay clean at about 21."""
CLOSE_TIMEOUT_S = 120.0
"""ffmpeg only has to flush a few pictures and move the index to the front."""
MESSAGE_LENGTH = 200


@contextmanager
def mp4_writer(
    out: Path | str, size: tuple[int, int], fps: float
) -> Iterator[Callable[[UInt8], None]]:
    """Write an MP4 (H.264, yuv420p, index first) that appears under its name when complete.

    Args:
        out: The file, ending in `.mp4`; replaced if it exists.
        size: (width, height), both even.
        fps: Pictures a second.

    Yields:
        A function that takes the next picture, (height, width, 3) RGB.

    Raises:
        ValueError: The place cannot be written, the size is odd, or ffmpeg refused; one sentence.
    """
    if size[0] % 2 or size[1] % 2:
        raise ValueError(f"an MP4 of {size[0]}x{size[1]} cannot be made: both must be even")
    with replaced_when_done(out, ".mp4") as unfinished, tempfile.TemporaryFile() as said:
        process = _start(unfinished, size, fps, said)
        try:
            yield lambda picture: _feed(process, picture, size, said, out)
            _close(process, said, out)
        finally:
            _end(process)


def _start(
    path: Path, size: tuple[int, int], fps: float, said: IO[bytes]
) -> "subprocess.Popen[bytes]":
    rate = str(Fraction(fps).limit_denominator(100_000))
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", rate]
    colours = ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709"]
    colours += ["-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
    codec = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", str(CRF)]
    container = ["-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4", str(path)]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", "-nostdin", *source]
    command += ["-i", "pipe:0", *colours, *codec, *container]
    return subprocess.Popen(  # noqa: S603 - a fixed command, no shell; the path is one argument
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
    )


def _feed(
    process: "subprocess.Popen[bytes]",
    picture: UInt8,
    size: tuple[int, int],
    said: IO[bytes],
    out: Path | str,
) -> None:
    if picture.shape != (size[1], size[0], 3):
        raise ValueError(f"a picture is {picture.shape}, expected {(size[1], size[0], 3)}")
    if process.stdin is None:
        raise ValueError("the film is closed already")
    try:
        process.stdin.write(np.ascontiguousarray(picture).data)
    except OSError as error:
        process.wait(CLOSE_TIMEOUT_S)
        raise ValueError(f"cannot write {out}: {_message(said)}") from error


def _close(process: "subprocess.Popen[bytes]", said: IO[bytes], out: Path | str) -> None:
    """Let ffmpeg finish the file, and believe its exit status alone."""
    try:
        process.communicate(timeout=CLOSE_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"cannot write {out}: ffmpeg does not finish") from error
    if process.returncode:
        raise ValueError(f"cannot write {out}: {_message(said)}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Leave no process behind, whatever happened."""
    if process.poll() is None:
        process.kill()
        process.wait()
    if process.stdin is not None and not process.stdin.closed:
        try:
            process.stdin.close()
        except OSError:
            return  # the pipe broke with the process; there is nothing left to flush


def _message(said: IO[bytes]) -> str:
    """The last line that ffmpeg said."""
    said.seek(0)
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:MESSAGE_LENGTH] if lines else "ffmpeg stopped without a word"
