"""One person's rest body as a file, so that tests need no Anny: its first load takes minutes.

    python -m tests.benchmarks.synthetic.saved_body   # writes it anew

The mesh is made by Anny (Apache-2.0) from MakeHuman's assets (CC0).
"""

from pathlib import Path

import numpy as np

from tests.benchmarks.synthetic.body import Person, RestBody, load_body

AVERAGE_BODY = Path(__file__).with_name("average_body.npz")
FLOATS = ("vertices", "heads", "weights", "joints", "face_points")
WHOLE = ("faces", "parents", "bones", "joint_bones")
TO_DOUBLE = ("heads", "joints", "face_points")


def save_body(body: RestBody, path: Path) -> None:
    """Write a body; numbers in half precision are exact to half a millimetre."""
    arrays = {name: getattr(body, name).astype(np.float16) for name in ("vertices", "weights")}
    arrays |= {name: np.asarray(getattr(body, name)) for name in TO_DOUBLE}
    arrays |= {name: np.asarray(getattr(body, name), np.int16) for name in WHOLE}
    np.savez_compressed(path, labels=np.array(body.labels), **arrays)


def read_body(path: Path = AVERAGE_BODY) -> RestBody:
    """The body of a file that `save_body` wrote."""
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


if __name__ == "__main__":
    save_body(load_body(Person()), AVERAGE_BODY)
