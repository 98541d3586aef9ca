"""One picture of the body in its room, by ray casting on the CPU (Embree)."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from scipy.sparse import csr_matrix

from pipeline.arrays import Float32, Float64, Int64, UInt8
from tests.benchmarks.synthetic.cameras import HEIGHT, WIDTH
from tests.benchmarks.synthetic.clothes import Outfit, colours
from tests.benchmarks.synthetic.scene import Room, ground_shade, look_around

RAYS = 2
"""Rays a pixel along each side."""
NEAREST_M = 0.05
AMBIENT = 0.5
GRAIN = 1.5
"""Standard deviation of the sensor's noise, of 255."""


@dataclass(frozen=True)
class Surface:
    """What stays the same over a clip."""

    faces: Int64
    """(F, 3)."""
    parts: Int64
    """(V,)."""
    places: Float32
    """(V, 3) at rest."""
    outfit: Outfit
    room: Room
    light: Float32
    """(3,) unit, from the scene towards the light."""
    gathers: csr_matrix
    """(V, F) one where a face has a vertex."""


def surface(
    faces: Int64, parts: Int64, places: Float32, outfit: Outfit, room: Room, light: Float32
) -> Surface:
    """With the table that sums faces' normals at vertices."""
    count = len(faces)
    ones = (np.ones(count * 3, np.float32), (faces.ravel(), np.repeat(np.arange(count), 3)))
    gathers = csr_matrix(ones, shape=(len(places), count))
    return Surface(faces, parts, places, outfit, room, light, gathers)


def draw(
    kept: Surface, vertices: Float32, k: Float64, r: Float64, t: Float64, rng: np.random.Generator
) -> UInt8:
    """(240, 320, 3) RGB of one frame.

    Args:
        kept: Of the clip.
        vertices: (V, 3) metres, posed.
        k: (3, 3) intrinsics in pixels.
        r: (3, 3) world to camera.
        t: (3,) of the camera: x_cam = R X + t.
        rng: Of the noise.
    """
    place = (-r.T @ t).astype(np.float32)
    centre = vertices[:, [0, 2]].mean(0)
    shade = ground_shade(vertices, kept.light, centre)
    ways = _ways(k, r, (slice(0, HEIGHT), slice(0, WIDTH)), 1)
    picture = look_around(kept.room, place, ways.reshape(-1, 3), shade, centre)
    picture = picture.reshape(HEIGHT, WIDTH, 3)
    window = _window(vertices, k, r, t)
    behind = picture[window].repeat(RAYS, 0).repeat(RAYS, 1)
    if behind.size:
        whole = _before(kept, vertices, place, _ways(k, r, window, RAYS), behind)
        size = (picture[window].shape[1], picture[window].shape[0])
        picture[window] = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    picture += rng.normal(0, GRAIN, picture.shape[:2]).astype(np.float32)[..., None]
    return np.asarray(np.clip(np.rint(picture), 0, 255), np.uint8)


def _ways(k: Float64, r: Float64, window: tuple[slice, slice], rays: int) -> Float32:
    """(rays H, rays W, 3) world directions through the middles of a window's small pixels."""
    rows, columns = window
    u = columns.start + (np.arange((columns.stop - columns.start) * rays) + 0.5) / rays
    v = rows.start + (np.arange((rows.stop - rows.start) * rays) + 0.5) / rays
    x, y = np.meshgrid((u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1])
    seen = np.stack([x, y, np.ones_like(x)], -1).astype(np.float32)
    return np.asarray(seen @ r.astype(np.float32))


def _window(vertices: Float32, k: Float64, r: Float64, t: Float64) -> tuple[slice, slice]:
    """Rows and columns that the body covers; all when it reaches behind the camera."""
    seen = vertices @ r.T + t
    if seen[:, 2].min() < NEAREST_M:
        return slice(0, HEIGHT), slice(0, WIDTH)
    px = seen[:, :2] / seen[:, 2:] * k[0, 0] + k[:2, 2]
    low, high = np.floor(px.min(0)).astype(int) - 1, np.ceil(px.max(0)).astype(int) + 1
    x0, y0 = np.clip(low, 0, [WIDTH, HEIGHT])
    x1, y1 = np.clip(high, 0, [WIDTH, HEIGHT])
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))


def _before(
    kept: Surface, vertices: Float32, place: Float32, ways: Float32, behind: Float32
) -> Float32:
    """What lies behind (H, W, 3), with the body before it."""
    normals = _face_normals(kept, vertices)
    towards = np.einsum("fi,fi->f", normals, place - vertices[kept.faces[:, 0]])
    # The surface is closed: what faces away is never seen, and half the work to build.
    front = np.flatnonzero(towards > 0)
    found = _cast(vertices, kept.faces[front], place, ways.reshape(-1, 3))
    hit = found["primID"] >= 0
    seen = behind.reshape(-1, 3)
    corners = kept.faces[front[found["primID"][hit]]]
    at_vertices = np.asarray(kept.gathers @ normals, np.float32)
    seen[hit] = _lit(kept, at_vertices, corners, found["u"][hit], found["v"][hit])
    return seen.reshape(ways.shape)


def _cast(vertices: Float32, faces: Int64, place: Float32, ways: Float32) -> dict[str, Any]:
    try:
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh
    except ImportError as error:
        raise ValueError("rendering needs the extra: pip install 'crossdiff[synthetic]'") from error
    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, np.ascontiguousarray(vertices, np.float32), faces.astype(np.int32))
    origins = np.repeat(place[None], len(ways), 0)
    found: dict[str, Any] = scene.run(origins, np.ascontiguousarray(ways), output=1)
    return found


def _lit(kept: Surface, at_vertices: Float32, corners: Int64, u: Float32, v: Float32) -> Float32:
    """(N, 3) colours of the rays that hit.

    Args:
        kept: Of the clip.
        at_vertices: (V, 3) normals of any length.
        corners: (N, 3) vertices of the faces that were hit.
        u: (N,) weight of each second corner.
        v: (N,) of each third.
    """
    shares = np.stack([1 - u - v, u, v], 1)[..., None].astype(np.float32)
    normals = (at_vertices[corners] * shares).sum(1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    nearest = corners[np.arange(len(corners)), shares[..., 0].argmax(1)]
    cloth = colours(kept.outfit, kept.parts[nearest], (kept.places[corners] * shares).sum(1))
    # Half Lambert: the side away from the light keeps its shape.
    light = AMBIENT + (1 - AMBIENT) * (0.5 + 0.5 * normals @ kept.light) ** 1.5 * 1.5
    return np.asarray(np.clip(cloth * light[:, None], 0, 255), np.float32)


def _face_normals(kept: Surface, vertices: Float32) -> Float32:
    """(F, 3) outward, as long as twice the face's area."""
    corners = vertices[kept.faces]
    edges = corners[:, 1:] - corners[:, :1]
    return np.asarray(np.cross(edges[:, 0], edges[:, 1]))
