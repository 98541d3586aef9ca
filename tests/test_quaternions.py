"""Quaternion arithmetic where it is easily got wrong: opposite directions, and NumPy's own bits."""

import numpy as np
import pytest

from pipeline import quaternions as quat

AXES = np.concatenate([np.eye(3), -np.eye(3)])


def test_a_cross_product_is_numpys_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 4, 3)), rng.normal(size=(50, 1, 3))
    np.testing.assert_array_equal(quat.cross(a, b), np.cross(a, b))


@pytest.mark.parametrize("alone", [False, True])
def test_the_rotation_between_directions_takes_one_to_the_other_also_to_the_opposite(alone) -> None:
    for a in AXES:
        found = np.stack([quat.between(a, b) for b in AXES]) if alone else quat.between(a, AXES)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1.0, atol=1e-12)
        np.testing.assert_allclose(
            quat.rotate(found, np.broadcast_to(a, AXES.shape)), AXES, atol=1e-12
        )
