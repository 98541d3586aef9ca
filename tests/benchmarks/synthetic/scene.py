"""Where the body performs: a floor and four walls with textures, the same from every camera."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from pipeline.arrays import Float32

TEXELS = 1024
TEXEL_M = 0.02
"""A texture spans 20 m and then repeats."""
COARSE_SIGMA = 3.0
NEAR_M, FAR_M = 5.0, 16.0
"""Distances between which the fine texture gives way to the coarse one."""
SHADE_M, SHADE_CELLS = 0.03, 256
SHADOW = 0.45
"""How much light a shadow takes."""


@dataclass(frozen=True)
class Room:
    """A floor at y = 0 and four walls around the origin."""

    half_m: float
    """From the origin to each wall."""
    wall_m: float
    """Height of the walls; above is sky or ceiling."""
    floor: tuple[Float32, Float32]
    """(N, N, 3) RGB, fine and coarse."""
    wall: tuple[Float32, Float32]
    above: Float32
    """(3,) RGB."""


def draw_room(rng: np.random.Generator) -> Room:
    """Any room."""
    floor = _floor(str(rng.choice(["tiles", "planks", "ground"])), rng)
    wall = _wall(str(rng.choice(["bricks", "panels", "foliage"])), rng)
    return Room(
        half_m=float(rng.uniform(9.0, 13.0)),
        wall_m=float(rng.uniform(3.0, 7.0)),
        floor=(floor, _coarse(floor)),
        wall=(wall, _coarse(wall)),
        above=rng.uniform(150, 235, 3).astype(np.float32),
    )


def look_around(
    room: Room, place: Float32, ways: Float32, shade: Float32, centre: Float32
) -> Float32:
    """(N, 3) colours of the room along rays.

    Args:
        room: The room.
        place: (3,) where all rays begin, inside it.
        ways: (N, 3) their directions.
        shade: What `ground_shade` gave.
        centre: (2,) x and z of its middle.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        down = np.where(ways[:, 1] < -1e-6, -place[1] / ways[:, 1], np.inf)
        to_x = (np.sign(ways[:, 0]) * room.half_m - place[0]) / ways[:, 0]
        to_z = (np.sign(ways[:, 2]) * room.half_m - place[2]) / ways[:, 2]
    to_x, to_z = np.nan_to_num(to_x, nan=np.inf), np.nan_to_num(to_z, nan=np.inf)
    aside = np.minimum(to_x, to_z)
    reach = np.minimum(down, aside)
    hit = place + ways * reach[:, None]
    on_floor = down < aside
    along = np.where(to_x < to_z, hit[:, 2] + 3.0, hit[:, 0] + 7.0)
    first = np.where(on_floor, hit[:, 0], along).astype(np.float32)
    second = np.where(on_floor, hit[:, 2], -hit[:, 1]).astype(np.float32)
    far = reach * np.linalg.norm(ways, axis=1)
    out = np.empty((len(ways), 3), np.float32)
    for chosen, textures in ((on_floor, room.floor), (~on_floor, room.wall)):
        out[chosen] = _sample(textures, first[chosen], second[chosen], far[chosen])
    out[~on_floor & (hit[:, 1] > room.wall_m)] = room.above
    out[on_floor] *= 1 - SHADOW * _shade_at(shade, hit[on_floor][:, [0, 2]] - centre)
    return out


def ground_shade(vertices: Float32, light: Float32, centre: Float32) -> Float32:
    """(S, S) how much of the light is taken from the floor around `centre`, soft at the edges."""
    fall = vertices - light * (vertices[:, 1:2] / light[1])
    cells = np.rint((fall[:, [0, 2]] - centre) / SHADE_M).astype(int) + SHADE_CELLS // 2
    inside = ((cells >= 0) & (cells < SHADE_CELLS)).all(1)
    grid = np.zeros((SHADE_CELLS, SHADE_CELLS), np.float32)
    grid[cells[inside, 1], cells[inside, 0]] = 1.0
    grid = cv2.morphologyEx(grid, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return np.asarray(cv2.GaussianBlur(grid, (0, 0), 1.5), np.float32)


def _shade_at(shade: Float32, offset: Float32) -> Float32:
    at = (offset / SHADE_M + SHADE_CELLS / 2).astype(np.float32)
    got = _remap(shade, at[:, 0], at[:, 1], cv2.BORDER_CONSTANT)
    return np.asarray(got.reshape(-1, 1))


def _sample(
    textures: tuple[Float32, Float32], first: Float32, second: Float32, far: Float32
) -> Float32:
    u, v = (c / TEXEL_M % TEXELS for c in (first, second))
    fine, coarse = (_remap(t, u, v, cv2.BORDER_WRAP).reshape(-1, 3) for t in textures)
    blend = np.clip((far - NEAR_M) / (FAR_M - NEAR_M), 0, 1)[:, None]
    return np.asarray(fine * (1 - blend) + coarse * blend, np.float32)


def _remap(image: Float32, u: Float32, v: Float32, border: int) -> Float32:
    """Bilinear; cv2 takes no picture wider than 32767, so the points are folded."""
    if not len(u):
        return np.empty((0, *image.shape[2:]), np.float32)
    width = 512
    rows = -(-len(u) // width)
    folded = [np.zeros(rows * width, np.float32) for _ in range(2)]
    for flat, values in zip(folded, (u, v), strict=True):
        flat[: len(u)] = values
    x, y = (flat.reshape(rows, width) for flat in folded)
    got = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(got.reshape(rows * width, *image.shape[2:])[: len(u)])


def _noise(rng: np.random.Generator, sigmas: tuple[float, ...]) -> Float32:
    """(N, N) noise of several grains that repeats without a seam, of unit deviation."""
    layers = []
    for sigma in sigmas:
        layer = gaussian_filter(rng.normal(size=(TEXELS, TEXELS)), sigma, mode="wrap")
        layers.append(layer / layer.std())
    total = np.sum(layers, 0)
    return np.asarray(total / total.std(), np.float32)


def _tinted(base: Float32, value: Float32) -> Float32:
    return np.asarray(np.clip(base * (1 + value[..., None]), 5, 250), np.float32)


def _floor(kind: str, rng: np.random.Generator) -> Float32:
    base = rng.uniform(70, 190, 3).astype(np.float32)
    grain = _noise(rng, (0.8, 4.0, 20.0)) * 0.07
    v, u = np.mgrid[:TEXELS, :TEXELS]
    if kind == "tiles":
        step = int(rng.choice([16, 32, 64]))
        tone = rng.normal(size=(TEXELS // step, TEXELS // step)) * 0.1
        value = grain + np.kron(tone, np.ones((step, step)))
        value[(u % step < 1) | (v % step < 1)] -= 0.35
    elif kind == "planks":
        value = grain + np.repeat(rng.normal(size=TEXELS // 8) * 0.12, 8)[None]
        value[(u % 8 < 1)] -= 0.25
    else:
        value = _noise(rng, (1.0, 6.0, 30.0)) * 0.18
    return _tinted(base, np.asarray(value, np.float32))


def _wall(kind: str, rng: np.random.Generator) -> Float32:
    base = rng.uniform(80, 200, 3).astype(np.float32)
    grain = _noise(rng, (0.8, 8.0, 40.0)) * 0.06
    v, u = np.mgrid[:TEXELS, :TEXELS]
    if kind == "bricks":
        high, wide = 8, 16
        row = v // high
        shifted = u + (row % 2) * (wide // 2)
        tone = rng.normal(size=(TEXELS // high, TEXELS // wide)) * 0.12
        value = grain + tone[row, shifted // wide % (TEXELS // wide)]
        value[(v % high < 1) | (shifted % wide < 1)] += 0.3
    elif kind == "panels":
        value = grain + np.kron(rng.normal(size=(1, 16)) * 0.08, np.ones((TEXELS, 64)))
        value[(u % 64 < 2)] -= 0.3
    else:
        value = _noise(rng, (1.5, 5.0, 25.0)) * 0.28
    out = _tinted(base, np.asarray(value, np.float32))
    return out if kind == "foliage" else _posters(out, rng)


def _posters(wall: Float32, rng: np.random.Generator) -> Float32:
    """Pictures, windows and doors: wall texture rows run down from the floor line at row 0."""
    for _ in range(int(rng.integers(8, 20))):
        wide, high = (int(s) for s in rng.integers(30, 110, 2))
        left = int(rng.integers(TEXELS - wide))
        top = TEXELS - int(rng.integers(40, 130)) - high
        colour = rng.uniform(30, 230, 3)
        wall[top : top + high, left : left + wide] = colour * 0.6
        wall[top + 3 : top + high - 3, left + 3 : left + wide - 3] = colour
        middle = (left + wide // 2, top + high // 2)
        cv2.circle(wall, middle, min(wide, high) // 4, tuple(rng.uniform(30, 230, 3)), -1)
    return wall


def _coarse(texture: Float32) -> Float32:
    return np.asarray(
        gaussian_filter(texture, (COARSE_SIGMA, COARSE_SIGMA, 0), mode="wrap"), np.float32
    )
