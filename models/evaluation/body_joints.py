"""From one definition of joints to another: the rendered body's own joints, by fixed weights.

A label has the joints of the motion capture that its network was trained on: one skeleton for
everybody, with narrow hips and wide shoulders. The rendered body has joints inside its own limbs.
The captured motion itself is off by 54 mm (PA-MPJPE of the limbs) from the very body that performs
it, and no label can be nearer than that. So, as SMPL's joints are regressed to those of other data
sets, each joint of the body is a weighted sum of the label's joints. The weights add up to 1, so
they hold wherever the body stands and however it is turned. They are fitted on the TRAINING split
(`tests/benchmarks/synthetic/fit_body_joints.py`); a pose backend's own 3D gets weights of its own
by the same recipe, so that neither side is helped more.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pipeline.arrays import Float64

FILE = Path(__file__).resolve().parents[1] / "weights" / "body_joints.json"
LABEL = "label"


@dataclass(frozen=True)
class BodyJoints:
    """Weights by what they are for."""

    weights: Mapping[str, Float64]
    """(J, J) by name: `label` or a backend's joint set; row j makes the body's joint j."""
    clips: int
    """Of the training split that they were fitted on."""

    def apply(self, name: str, joints: Float64) -> Float64 | None:
        """(T, J, 3) the body's joints; None where no weights were fitted for `name`."""
        weights = self.weights.get(name)
        return None if weights is None else np.asarray(np.einsum("jk,tkx->tjx", weights, joints))


@cache
def load_body_joints() -> BodyJoints:
    """The weights that come with the package.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        told = json.loads(FILE.read_text(encoding="utf-8"))
        weights = {name: np.array(rows, np.float64) for name, rows in told["weights"].items()}
        return BodyJoints(weights, int(told["clips"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{FILE} is damaged: install the package again") from error


def fit_weights(known: Float64, body: Float64, ridge: float) -> Float64:
    """(J, J) weights that make the body's joints out of known ones; every row adds up to 1.

    Least squares over all frames and axes, drawn towards leaving each joint where it is.

    Args:
        known: (N, J, 3) joints of the one definition, aligned with the body frame by frame.
        body: (N, J, 3) the body's.
        ridge: Strength of the draw, relative to the spread of the joints.
    """
    count = known.shape[1]
    origin = known[:, :1]
    rows = (known - origin).transpose(0, 2, 1).reshape(-1, count)[:, 1:]
    wanted = (body - origin).transpose(0, 2, 1).reshape(-1, count)
    square = rows.T @ rows
    held = ridge * np.trace(square) / len(square) * np.eye(count - 1)
    out = np.zeros((count, count))
    for joint in range(count):
        prior = np.zeros(count - 1)
        prior[joint - 1 :][:1] = float(joint > 0)
        rest = wanted[:, joint] - rows @ prior
        out[joint, 1:] = prior + np.linalg.solve(square + held, rows.T @ rest)
        out[joint, 0] = 1.0 - out[joint, 1:].sum()
    return out
