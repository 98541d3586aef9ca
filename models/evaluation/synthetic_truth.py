"""Rendered clips with known 3D, as `tests/benchmarks/synthetic` writes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.array_files import UNREADABLE
from pipeline.arrays import Float32, Float64
from pipeline.skeletons import HUMANML3D
from pipeline.views import View

ENDING = ".truth.npz"
ARRAYS = ("joints3d_world", "joints2d_px", "R", "fps")
WORDS = ("action", "camera", "view_deg")
QUARTER_DEG = 90.0


@dataclass(frozen=True)
class TruthClip:
    """One clip and all that is known of it."""

    video: Path
    action: str
    camera: str
    """static, pan, zoom, handheld."""
    azimuth_deg: float
    """As `pipeline.views.azimuth_rotation`."""
    fps: float
    joints: Float32 = field(repr=False)
    """(T, 22, 3) metres in the world, Y up."""
    pixels: Float32 = field(repr=False)
    """(T, 22, 2) pixels, origin top left."""
    rotation: Float32 = field(repr=False)
    """(T, 3, 3) world to camera, as OpenCV has it: right, down, forward."""

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.video.stem

    @property
    def quarter(self) -> str:
        """front, left, back or right: the nearest of the paper's four views."""
        return View(round(self.azimuth_deg / QUARTER_DEG) % len(View)).name.lower()

    @cached_property
    def times(self) -> Float64:
        """(T,) seconds."""
        return np.arange(len(self.joints)) / self.fps

    @property
    def end_s(self) -> float:
        """Time of the last frame."""
        return float(self.times[-1])

    def joints_at(self, times: Float64) -> Float64:
        """(N, 22, 3) metres at other times, between frames linear; ends are held."""
        return _between(self.times, self.joints, times)

    def pixels_at(self, times: Float64) -> Float64:
        """(N, 22, 2) pixels at other times."""
        return _between(self.times, self.pixels, times)

    def rotation_at(self, times: Float64) -> Float64:
        """(N, 3, 3) of the nearest frame."""
        near = np.clip(np.rint(times * self.fps).astype(np.int64), 0, len(self.rotation) - 1)
        return np.asarray(self.rotation[near], np.float64)


def find_truth_clips(folder: Path) -> list[TruthClip]:
    """All clips below a folder that have their truth beside them, in the order of their names.

    Raises:
        ValueError: No such folder, no such clip, or a truth that cannot be read.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}: render clips into it first")
    truths = sorted(folder.rglob(f"*{ENDING}"))
    pairs = [(path.with_name(path.name.removesuffix(ENDING) + ".avi"), path) for path in truths]
    clips = [_read(video, truth) for video, truth in pairs if video.is_file()]
    if not clips:
        raise ValueError(f"{folder} holds no clip with its {ENDING} beside it: render some first")
    return clips


def at_even_distances(clips: Sequence[TruthClip], limit: int | None) -> list[TruthClip]:
    """At most so many of the clips, spread over all of them.

    Raises:
        ValueError: A limit under 1.
    """
    if limit is None:
        return list(clips)
    if limit < 1:
        raise ValueError(f"--limit is the number of clips, at least 1, not {limit}")
    chosen = np.linspace(0, len(clips) - 1, min(limit, len(clips))).round().astype(int)
    return [clips[i] for i in chosen.tolist()]


def _read(video: Path, truth: Path) -> TruthClip:
    try:
        with np.load(truth, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in (*ARRAYS, *WORDS)}
    except (*UNREADABLE, KeyError) as error:
        raise ValueError(f"{truth} is no truth of a rendered clip: render it again") from error
    joints, pixels, rotation = (arrays[name] for name in ARRAYS[:3])
    _check(truth, joints, pixels, rotation)
    return TruthClip(
        video=video,
        action=str(arrays["action"]),
        camera=str(arrays["camera"]),
        azimuth_deg=float(arrays["view_deg"]),
        fps=float(arrays["fps"]),
        joints=joints,
        pixels=pixels,
        rotation=rotation,
    )


def _check(truth: Path, joints: Float32, pixels: Float32, rotation: Float32) -> None:
    frames, count = len(joints), HUMANML3D.n_joints
    wanted = ((frames, count, 3), (frames, count, 2), (frames, 3, 3))
    arrays: Sequence[Float32] = (joints, pixels, rotation)
    if frames < 2 or any(a.shape != w for a, w in zip(arrays, wanted, strict=True)):
        raise ValueError(f"{truth} has arrays of other shapes than {wanted}: render it again")
    if not all(np.isfinite(a).all() for a in arrays):
        raise ValueError(f"{truth} holds values that are not finite: render it again")


def _between(known: Float64, values: Float32, times: Float64) -> Float64:
    at = np.clip(np.interp(times, known, np.arange(len(known))), 0, len(known) - 1)
    low = np.minimum(np.floor(at).astype(np.int64), len(known) - 2)
    share = (at - low).reshape(-1, *([1] * (values.ndim - 1)))
    return np.asarray(values[low] * (1 - share) + values[low + 1] * share, np.float64)
