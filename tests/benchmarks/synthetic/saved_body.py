"""The average adult's rest body as the file that comes with the project.

    python -m tests.benchmarks.synthetic.saved_body   # writes it anew

The mesh is made by Anny (Apache-2.0) from MakeHuman's assets (CC0).
"""

from pathlib import Path

import numpy as np

from pipeline.parametric_body.rest import AVERAGE_BODY, WHOLE, RestBody
from tests.benchmarks.synthetic.body import Person, load_body

TO_DOUBLE = ("heads", "joints", "face_points")


def save_body(body: RestBody, path: Path) -> None:
    """Write a body; numbers in half precision are exact to half a millimetre."""
    arrays = {name: getattr(body, name).astype(np.float16) for name in ("vertices", "weights")}
    arrays |= {name: np.asarray(getattr(body, name)) for name in TO_DOUBLE}
    arrays |= {name: np.asarray(getattr(body, name), np.int16) for name in WHOLE}
    np.savez_compressed(path, labels=np.array(body.labels), **arrays)


if __name__ == "__main__":
    save_body(load_body(Person()), AVERAGE_BODY)
