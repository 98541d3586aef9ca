"""Cameras: standing still, following, zooming and in a hand, at any azimuth."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from pipeline.arrays import Float64

WIDTH, HEIGHT, FPS = 320, 240, 25
"""UCF101's."""
KINDS = ("static", "pan", "zoom", "handheld")
FIELD_DEG = (50.0, 65.0)
"""Horizontal field of view."""
DISTANCE_M = (2.5, 7.0)
NEAREST_M = (2.5, 4.0)
"""A camera stands as near as this when the whole motion fits; else as far as it must."""
ELEVATION_DEG = (-5.0, 20.0)
LOWEST_M = 0.3
"""A camera never stands under this height."""
ZOOM = (1.25, 1.7)
"""Longest over shortest focal length of a zoom."""
FOLLOW_S = 0.5
"""Standard deviation of the smoothing of the path that a following camera looks at."""
SHAKE_DEG, SHAKE_M, SHAKE_S = 0.8, 0.02, 0.22
"""A hand: standard deviations of rotation and place, and how slowly they change."""
BODY_MARGIN_M = 0.16
"""Flesh, head and hands reach so far beyond the joints."""
STEP_M = 0.25


@dataclass(frozen=True)
class Shoot:
    """How a clip is filmed."""

    kind: str
    azimuth_deg: float
    """As `pipeline.views.azimuth_rotation` turns the body: 0 from the front."""
    elevation_deg: float
    field_deg: float
    distance_m: float
    zoom: float = 1.0
    """Last over first focal length."""
    seed: int = 0
    """Of the hand's shake."""


@dataclass(frozen=True)
class CameraTrack:
    """A camera frame by frame, as OpenCV has it: x_cam = R X + t."""

    k: Float64
    """(T, 3, 3)."""
    r: Float64
    """(T, 3, 3)."""
    t: Float64
    """(T, 3)."""

    def project(self, points: Float64) -> Float64:
        """(T, J, 3) metres to (T, J, 2) pixels, origin at the picture's top left corner."""
        seen = np.einsum("txy,tjy->tjx", self.r, points) + self.t[:, None]
        flat = np.einsum("txy,tjy->tjx", self.k, seen)
        return np.asarray(flat[..., :2] / flat[..., 2:])

    def place(self, frame: int) -> Float64:
        """(3,) where the camera stands."""
        return np.asarray(-self.r[frame].T @ self.t[frame])


def draw_shoot(kind: str, azimuth_deg: float, rng: np.random.Generator) -> Shoot:
    """A camera of a kind at an azimuth; all else is drawn."""
    zoom = rng.uniform(*ZOOM) ** rng.choice([-1.0, 1.0])
    return Shoot(
        kind=kind,
        azimuth_deg=azimuth_deg,
        elevation_deg=rng.uniform(*ELEVATION_DEG),
        field_deg=rng.uniform(*FIELD_DEG),
        distance_m=rng.uniform(*NEAREST_M),
        zoom=float(zoom) if kind == "zoom" else 1.0,
        seed=int(rng.integers(2**31)),
    )


def fit_shoot(shoot: Shoot, joints: Float64) -> tuple[Shoot, CameraTrack, bool]:
    """Step back until the whole motion is in the picture, at most to `DISTANCE_M`'s end.

    Returns:
        The shoot, its camera, and whether all of the motion is in the picture.
    """
    distance = shoot.distance_m
    while True:
        tried = Shoot(**{**vars(shoot), "distance_m": distance})
        track = film_track(tried, joints)
        inside = _inside(track, joints)
        if inside or distance + STEP_M > DISTANCE_M[1]:
            return tried, track, inside
        distance += STEP_M


def film_track(shoot: Shoot, joints: Float64) -> CameraTrack:
    """The camera's way over a clip of (T, 22, 3) joints."""
    frames = len(joints)
    middle = (joints.min((0, 1)) + joints.max((0, 1))) / 2
    place = np.repeat(_stand(shoot, middle)[None], frames, 0)
    target = np.repeat(middle[None], frames, 0)
    focal = np.full(frames, WIDTH / 2 / np.tan(np.radians(shoot.field_deg) / 2))
    shake = np.repeat(np.eye(3)[None], frames, 0)
    if shoot.kind in ("pan", "handheld"):
        target = gaussian_filter1d(_centres(joints), FOLLOW_S * FPS, axis=0, mode="nearest")
    if shoot.kind == "zoom":
        ease = (1 - np.cos(np.linspace(0, np.pi, frames))) / 2
        focal = focal * min(1.0, 1 / shoot.zoom) * shoot.zoom**ease
        focal = focal * max(shoot.zoom, 1 / shoot.zoom) ** 0.5
    if shoot.kind == "handheld":
        drawn = _hand(frames, np.random.default_rng(shoot.seed))
        shake = Rotation.from_euler("xyz", drawn[:, :3] * SHAKE_DEG, degrees=True).as_matrix()
        place = place + drawn[:, 3:] * SHAKE_M
    r = shake @ _look(place, target)
    k = np.zeros((frames, 3, 3))
    k[:, 0, 0] = k[:, 1, 1] = focal
    k[:, 0, 2], k[:, 1, 2], k[:, 2, 2] = WIDTH / 2, HEIGHT / 2, 1.0
    return CameraTrack(k, r, -np.einsum("txy,ty->tx", r, place))


def _stand(shoot: Shoot, middle: Float64) -> Float64:
    a, e = np.radians(shoot.azimuth_deg), np.radians(shoot.elevation_deg)
    way = np.array([-np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
    place = middle + shoot.distance_m * way
    place[1] = max(place[1], LOWEST_M)
    return np.asarray(place)


def _centres(joints: Float64) -> Float64:
    return np.asarray((joints.min(1) + joints.max(1)) / 2)


def _look(place: Float64, target: Float64) -> Float64:
    """(T, 3, 3) rows right, down, forward; the horizon stays level."""
    ahead = target - place
    ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True)
    right = np.cross(ahead, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    return np.stack([right, np.cross(ahead, right), ahead], 1)


def _hand(frames: int, rng: np.random.Generator) -> Float64:
    """(T, 6) of unit deviation: a slow drift with a quick tremble upon it."""
    slow = gaussian_filter1d(rng.normal(size=(frames + 200, 6)), SHAKE_S * FPS, axis=0)[100:-100]
    quick = gaussian_filter1d(rng.normal(size=(frames + 200, 6)), 1.5, axis=0)[100:-100]
    return np.asarray(slow / 0.23 + 0.25 * quick / 0.43)


def _inside(track: CameraTrack, joints: Float64) -> bool:
    px = track.project(joints)
    depth = (np.einsum("txy,tjy->tjx", track.r, joints) + track.t[:, None])[..., 2]
    margin = track.k[:, 0, 0, None] * BODY_MARGIN_M / np.maximum(depth, 0.1)
    fits = [
        (px[..., i] > margin) & (px[..., i] < s - margin) for i, s in enumerate((WIDTH, HEIGHT))
    ]
    return bool((depth > 0.5).all() and (fits[0] & fits[1]).mean() > 0.995)
