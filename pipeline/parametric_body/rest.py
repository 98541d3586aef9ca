"""A body at rest: mesh and bones of one person, Y up, facing +Z, left at +X, metres.

The average adult comes with the project. Its mesh was made by Anny (Apache-2.0) from MakeHuman's
assets (CC0 1.0), so that it may be used and passed on for any purpose.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.arrays import AnyFloat, Float32, Float64, Int64

AVERAGE_BODY = Path(__file__).with_name("average_body.npz")
FLOATS = ("vertices", "heads", "weights", "joints", "face_points")
SHORTEST = 1e-30
"""No area is so small and not zero."""
WHOLE = ("faces", "parents", "bones", "joint_bones")


@dataclass(frozen=True)
class RestBody:
    """One person at rest, and how vertices hang on bones."""

    vertices: Float32
    """(V, 3)."""
    faces: Int64
    """(F, 3)."""
    heads: Float64
    """(B, 3) where each bone begins."""
    labels: tuple[str, ...]
    parents: tuple[int, ...]
    """-1 for the root; a parent comes before its children."""
    weights: Float32
    """(V, K)."""
    bones: Int64
    """(V, K) to which the weights belong."""
    joints: Float64
    """(22, 3) the joints of `pipeline.skeletons.HUMANML3D`."""
    joint_bones: Int64
    """(22,) that carry them."""
    face_points: Float64
    """(5, 3) nose, eyes and ears, which the head carries."""

    def bone(self, label: str) -> int:
        """Index of a bone."""
        return self.labels.index(label)


def read_body(path: Path = AVERAGE_BODY) -> RestBody:
    """The body of a file; without one, the average adult.

    Numbers are kept in half precision, which is exact to half a millimetre.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: np.asarray(file[name]) for name in (*FLOATS, *WHOLE, "labels")}
    weights = arrays["weights"].astype(np.float32)
    return RestBody(
        vertices=arrays["vertices"].astype(np.float32),
        faces=arrays["faces"].astype(np.int64),
        heads=arrays["heads"].astype(np.float64),
        labels=tuple(str(label) for label in arrays["labels"]),
        parents=tuple(int(p) for p in arrays["parents"]),
        weights=weights / weights.sum(1, keepdims=True),
        bones=arrays["bones"].astype(np.int64),
        joints=arrays["joints"].astype(np.float64),
        joint_bones=arrays["joint_bones"].astype(np.int64),
        face_points=arrays["face_points"].astype(np.float64),
    )


def vertex_normals(vertices: AnyFloat, faces: Int64) -> Float64:
    """Which way a surface looks at its vertices: means of the faces there, weighted by area.

    Args:
        vertices: (V, 3).
        faces: (F, 3) indices, counter-clockwise seen from outside.

    Returns:
        (V, 3) unit length, outwards; up where a vertex has no face with an area.
    """
    corners = vertices[faces].astype(np.float64)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    out = np.zeros((len(vertices), 3))
    for k in range(3):
        np.add.at(out, faces[:, k], across)
    length = np.linalg.norm(out, axis=-1, keepdims=True)
    return np.where(length > 0.0, out / np.maximum(length, SHORTEST), [0.0, 1.0, 0.0])
