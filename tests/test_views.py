"""The four projected views of a 3D motion."""

import numpy as np
import pytest
from synthetic_motion import random_motion

from pipeline.canonical import canonicalise
from pipeline.skeletons import HUMANML3D
from pipeline.views import View, azimuth_rotation, four_views, project_view

SPEC_ROTATIONS = {
    View.FRONT: np.eye(3),
    View.LEFT: [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
    View.BACK: np.diag([-1, 1, -1]),
    View.RIGHT: [[0, 0, -1], [0, 1, 0], [1, 0, 0]],
}


@pytest.mark.shared
def test_views_equal_the_published_code(shared):
    with np.load(shared / "reference" / "motion_012314.npz") as arrays:
        ours = four_views(arrays["joints3d"])
        np.testing.assert_allclose(ours, arrays["views2d"], atol=1e-5)


@pytest.mark.parametrize("view", list(View))
def test_quarter_turns_are_the_papers_matrices(view):
    np.testing.assert_allclose(azimuth_rotation(90.0 * view), SPEC_ROTATIONS[view], atol=1e-12)


def test_frame_0_has_its_root_at_the_origin_in_every_view():
    joints = canonicalise(random_motion(0), HUMANML3D) + np.array([2.0, 0.0, -1.0])
    np.testing.assert_allclose(four_views(joints)[:, 0, 0], 0.0, atol=1e-6)


def test_in_front_the_bodys_left_is_on_the_pictures_right_and_up_is_up():
    joints = canonicalise(random_motion(1, turns=0.0), HUMANML3D)
    front, back = project_view(joints[:1], 0.0)[0], project_view(joints[:1], 180.0)[0]
    left_hip, right_hip, head = 1, 2, 15
    assert front[left_hip, 0] > front[right_hip, 0]
    assert back[left_hip, 0] < back[right_hip, 0]
    assert front[head, 1] > front[0, 1]


def test_scale_is_close_to_metres_at_the_origin():
    joints = canonicalise(random_motion(2), HUMANML3D)
    view = project_view(joints, 0.0)
    local3 = (joints[0] - joints[0, 0])[:, :2]
    np.testing.assert_allclose(view[0], local3 / (1.0 + 10.0 * np.tan(np.deg2rad(5.0))), atol=0.05)
