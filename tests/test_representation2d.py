"""The 134 features of a projected view."""

import numpy as np
import pytest
from synthetic_motion import random_motion

from pipeline.canonical import canonicalise
from pipeline.representation2d import features_from_view, field_slices, recover_view
from pipeline.skeletons import HUMANML3D, KIT
from pipeline.views import project_view


def random_view(seed: int, skeleton=HUMANML3D, azimuth: float = 0.0) -> np.ndarray:
    return project_view(canonicalise(random_motion(seed, skeleton=skeleton), skeleton), azimuth)


@pytest.mark.shared
def test_features_of_the_four_views_equal_the_published_code(shared):
    with np.load(shared / "reference" / "motion_012314.npz") as arrays:
        for view, wanted in zip(arrays["views2d"], arrays["features2d"], strict=True):
            ours = features_from_view(view, HUMANML3D)
            assert ours.dtype == np.float32
            np.testing.assert_allclose(ours, wanted, atol=1e-5)


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
@pytest.mark.parametrize("azimuth", [0.0, 90.0, 37.0])
def test_recovering_a_views_features_gives_its_joints_back(skeleton, azimuth):
    view = random_view(1, skeleton, azimuth)
    features = features_from_view(view, skeleton)
    assert features.shape == (len(view) - 1, skeleton.dim2)
    np.testing.assert_allclose(recover_view(features, skeleton), view[:-1], atol=1e-5)


def test_root_field_is_the_next_frames_displacement_from_frame_0_not_a_velocity():
    view = random_view(2)
    features = features_from_view(view, HUMANML3D)
    np.testing.assert_allclose(features[:, :2], view[1:, 0] - view[0, 0], atol=1e-6)


def test_bone_directions_are_relative_to_the_bone_before():
    view = np.zeros((2, 22, 2), np.float32)
    # Right leg: hip to the right (0 degrees), knee straight down (-90), ankle and foot likewise.
    view[:, [2, 5, 8, 11]] = [[0.1, 0.0], [0.1, -0.4], [0.1, -0.8], [0.2, -0.8]]
    rotations = features_from_view(view, HUMANML3D)[0, field_slices(HUMANML3D)["rotations"]]
    of_joint = dict(zip(range(1, 22), rotations.reshape(-1, 2), strict=True))
    np.testing.assert_allclose(of_joint[2], [1, 0], atol=1e-6)  # cos, -sin of 0
    np.testing.assert_allclose(of_joint[5], [0, 1], atol=1e-6)  # -90 degrees
    np.testing.assert_allclose(of_joint[8], [1, 0], atol=1e-6)  # on the same line
    np.testing.assert_allclose(of_joint[11], [0, -1], atol=1e-6)  # +90 degrees


def test_moving_the_camera_frame_does_not_change_the_features():
    view = random_view(3).astype(np.float64)
    moved = features_from_view(view + np.array([4.0, -7.0]), HUMANML3D)
    np.testing.assert_allclose(moved, features_from_view(view, HUMANML3D), atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 21, 2), (5, 22, 3), (1, 22, 2), (22, 2)])
def test_other_shapes_are_refused_with_a_sentence(shape):
    with pytest.raises(ValueError, match="view must be"):
        features_from_view(np.zeros(shape, np.float32), HUMANML3D)
