"""Cameras that are known because they are made: windows moved over pictures of a still camera."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.camera.path import CameraPath
from pipeline.camera.similarity import after, move
from pipeline.carriers import FrameBatch

Moves = Callable[[np.ndarray], np.ndarray]
"""Seconds (T,) -> (T, 4): zoom over the smallest, turn in radians, and where the window's middle is
in the room that it has, -1..1 for x and y."""


def _rows(seconds, zoom=1.0, turn=0.0, x=0.0, y=0.0) -> np.ndarray:
    return np.stack([np.broadcast_to(v, seconds.shape) for v in (zoom, turn, x, y)], axis=1)


def _tremble(seconds, hertz: float, phase: float) -> np.ndarray:
    return (
        np.sin(2 * np.pi * hertz * seconds + phase) * 0.6
        + np.sin(2 * np.pi * 1.7 * hertz * seconds + 2 * phase) * 0.4
    )


CAMERAS: dict[str, Moves] = {
    "still": _rows,
    "pan": lambda s: _rows(s, x=-np.cos(2 * np.pi * s / 6)),
    "zoom": lambda s: _rows(s, zoom=1 + 0.3 * (1 - np.cos(2 * np.pi * s / 6))),
    "shake": lambda s: _rows(
        s, zoom=1.05, turn=0.015 * _tremble(s, 1.1, 0), x=0.12 * _tremble(s, 1.9, 1),
        y=0.12 * _tremble(s, 1.5, 2),
    ),
    "whip": lambda s: _rows(
        s, x=np.tanh(6 * (np.mod(s, 4) - 2)) * np.where(np.mod(s, 8) < 4, -1, 1)
    ),
    "all": lambda s: _rows(
        s, zoom=1.25 - 0.2 * np.cos(s), turn=0.02 * _tremble(s, 0.8, 0),
        x=0.8 * np.sin(s) + 0.06 * _tremble(s, 1.9, 1), y=0.1 * _tremble(s, 1.5, 2),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class KnownCamera:
    """What a moved window sees."""

    to_window: np.ndarray
    """(T, 4) similarity from the still picture to the window's picture."""
    size: tuple[int, int]

    @property
    def path(self) -> np.ndarray:
        """(T, 4) from the window's first picture to each."""
        first = self.to_window[:1]
        back = np.concatenate([-first[:, :2], np.zeros((1, 2))], axis=1)
        back[:, 2:] = -move(back, first[:, None, 2:])[:, 0]
        return after(self.to_window, np.broadcast_to(back, self.to_window.shape))

    def error_px(self, path: CameraPath) -> np.ndarray:
        """(T,) mean distance between where the path and the truth put the picture's points."""
        across, down = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 5))
        grid = np.stack([across.ravel(), down.ravel()], axis=1) * self.size
        off = move(path.similarity, grid[None]) - move(self.path, grid[None])
        return np.linalg.norm(off, axis=-1).mean(axis=1)


def known_camera(
    moves: np.ndarray, picture: tuple[int, int], size: tuple[int, int], share: float
) -> KnownCamera:
    """A window of `share` of the picture's width at zoom 1, shown at `size`."""
    (width, height), (w, h) = picture, size
    across = share * width / moves[:, 0]
    down = across * h / w
    middle_x = width / 2 + moves[:, 2] * (width - across) / 2
    middle_y = height / 2 + moves[:, 3] * (height - down) / 2
    scale = w / across
    to_window = np.stack([np.log(scale), moves[:, 1], *np.zeros((2, len(moves)))], axis=1)
    middle = move(to_window, np.stack([middle_x, middle_y], axis=1)[:, None])[:, 0]
    to_window[:, 2:] = np.asarray(size) / 2 - middle
    return KnownCamera(to_window, size)


def seen_through(frames: Sequence[np.ndarray], camera: KnownCamera) -> np.ndarray:
    """(T, h, w, 3) what the camera sees of (T, H, W, 3)."""
    pictures = []
    for frame, similarity in zip(frames, camera.to_window, strict=True):
        a = np.exp(similarity[0]) * np.cos(similarity[1])
        b = np.exp(similarity[0]) * np.sin(similarity[1])
        matrix = np.array([[a, -b, similarity[2]], [b, a, similarity[3]]])
        how = cv2.INTER_AREA if np.exp(similarity[0]) < 0.7 else cv2.INTER_LINEAR
        pictures.append(cv2.warpAffine(frame, matrix, camera.size, flags=how))
    return np.stack(pictures)


def in_batches(frames: np.ndarray, times: np.ndarray, size: int = 16) -> list[FrameBatch]:
    return [
        FrameBatch(times[i : i + size], frames[i : i + size]) for i in range(0, len(times), size)
    ]
