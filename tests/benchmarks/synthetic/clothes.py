"""What the body wears: a part and a colour for every point of its surface at rest."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float32, Int64
from pipeline.parametric_body.rest import RestBody, vertex_normals

SKIN, HAIR, SHIRT, TROUSERS, SHOES, SOLES = range(6)
SKINS = ((236, 200, 178), (214, 168, 138), (173, 124, 92), (120, 82, 60), (86, 58, 44))
HAIRS = ((36, 28, 24), (78, 54, 36), (150, 112, 64), (20, 20, 22), (120, 120, 122))
LOOSE_M = {SHIRT: 0.012, TROUSERS: 0.014, SHOES: 0.008, HAIR: 0.012}
"""How far cloth stands off the skin."""
HEM_M, TRUNK_M = 0.02, 0.3
"""A shirt hangs down to so far above the hips' centres; hands at rest are farther out."""
NEAREST_COLOURS = 70.0
"""Shirt and trousers differ at least so much (sum over channels)."""


@dataclass(frozen=True)
class Outfit:
    """A person's clothes."""

    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    shirt: tuple[tuple[int, int, int], tuple[int, int, int]]
    """Two colours of its pattern."""
    trousers: tuple[int, int, int]
    shoes: tuple[int, int, int]
    pattern: str
    """plain, stripes, checks or print."""
    long_sleeves: bool
    shorts: bool


def draw_outfit(rng: np.random.Generator) -> Outfit:
    """Any clothes whose shirt and trousers can be told apart."""
    shirt, trousers = _colour(rng), _colour(rng)
    while sum(abs(a - b) for a, b in zip(shirt, trousers, strict=True)) < NEAREST_COLOURS:
        trousers = _colour(rng)
    return Outfit(
        skin=SKINS[rng.integers(len(SKINS))],
        hair=HAIRS[rng.integers(len(HAIRS))],
        shirt=(shirt, _colour(rng)),
        trousers=trousers,
        shoes=_colour(rng),
        pattern=str(rng.choice(["plain", "stripes", "checks", "print"])),
        long_sleeves=bool(rng.random() < 0.5),
        shorts=bool(rng.random() < 0.3),
    )


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = (int(c) for c in rng.integers(20, 236, 3))
    return r, g, b


def parts_of(body: RestBody, outfit: Outfit) -> Int64:
    """(V,) which part covers each vertex, by the bone that carries it most."""
    strongest = body.bones[np.arange(len(body.bones)), body.weights.argmax(1)]
    by_bone = np.array([_part_of(label, outfit) for label in body.labels])
    parts = by_bone[strongest]
    eyes = body.heads[[body.bone("eye.L"), body.bone("eye.R")]].mean(0)
    head = strongest == body.bone("head")
    high = body.vertices[:, 1] > eyes[1] + 0.055
    behind = (body.vertices[:, 2] < eyes[2] - 0.10) & (body.vertices[:, 1] > eyes[1] - 0.09)
    parts[head & (high | behind)] = HAIR
    hips = body.joints[[1, 2]].mean(0)
    trunk = np.isin(parts, (SHIRT, TROUSERS)) & (np.abs(body.vertices[:, 0]) < TRUNK_M)
    above = body.vertices[:, 1] > hips[1] + HEM_M
    parts[trunk & (body.vertices[:, 1] < body.joints[12, 1] - 0.25)] = TROUSERS
    parts[trunk & above] = SHIRT
    feet = parts == SHOES
    parts[feet & (body.vertices[:, 1] < body.vertices[:, 1].min() + 0.02)] = SOLES
    return np.asarray(parts, np.int64)


def _part_of(label: str, outfit: Outfit) -> int:
    if label.startswith(("foot", "toe")):
        return SHOES
    if label.startswith("lowerleg"):
        return SKIN if outfit.shorts else TROUSERS
    if label.startswith(("root", "pelvis", "upperleg")):
        return TROUSERS
    if label.startswith("lowerarm"):
        return SHIRT if outfit.long_sleeves else SKIN
    if label.startswith(("spine", "clavicle", "shoulder", "upperarm")):
        return SHIRT
    return SKIN


def dress(body: RestBody, parts: Int64) -> Float32:
    """(V, 3) the vertices at rest, moved outwards by the cloth."""
    loose = np.array([LOOSE_M.get(part, 0.0) for part in range(SOLES + 1)])
    return np.asarray(
        body.vertices + vertex_normals(body.vertices, body.faces) * loose[parts][:, None],
        np.float32,
    )


def colours(outfit: Outfit, parts: Int64, places: Float32) -> Float32:
    """(N, 3) RGB in 0..255 of surface points, without light.

    Args:
        outfit: What is worn.
        parts: (N,) of the points.
        places: (N, 3) where they are at rest: cloth is printed there.
    """
    table = np.array(
        [outfit.skin, outfit.hair, outfit.shirt[0], outfit.trousers, outfit.shoes, (230, 228, 222)],
        np.float32,
    )
    out = table[parts]
    second = (parts == SHIRT) & _printed(outfit.pattern, places)
    out[second] = outfit.shirt[1]
    seam = (parts == TROUSERS) & (np.abs(places[:, 2] - 0.01) < 0.008)
    out[seam] *= 0.7
    return np.asarray(out)


def _printed(pattern: str, places: Float32) -> np.ndarray:
    """(N,) where the shirt shows its second colour."""
    x, y, z = places.T
    if pattern == "stripes":
        return np.asarray((y % 0.09) < 0.04)
    if pattern == "checks":
        return np.asarray(((x % 0.12) < 0.05) ^ ((y % 0.12) < 0.05))
    if pattern == "print":
        return np.asarray((np.abs(x) < 0.09) & (np.abs(y - 0.5) < 0.09) & (z > 0))
    return np.zeros(len(places), np.bool_)
