"""Which entries belong to which joint, and which entries a missing joint takes away."""

import numpy as np
import pytest
from synthetic_motion import random_motion

from pipeline.canonical import canonicalise
from pipeline.feature_masks import feature_mask2d, feature_mask3d, ownership2d, ownership3d
from pipeline.representation2d import features_from_view
from pipeline.skeletons import HUMANML3D, KIT
from pipeline.views import project_view

CONTACT_JOINTS = (7, 10, 8, 11)


def owned(mask: np.ndarray, joint: int) -> set[int]:
    return set(np.flatnonzero(mask[joint]).tolist())


def test_2d_ownership_is_the_papers():
    own = ownership2d(HUMANML3D)
    for i in range(22):
        wanted = {0, 1} if i == 0 else {2 * i, 2 * i + 1, 2 * (i - 1) + 44, 2 * (i - 1) + 45}
        wanted |= {86 + 2 * i, 87 + 2 * i}
        wanted |= {130 + CONTACT_JOINTS.index(i)} if i in CONTACT_JOINTS else set()
        assert owned(own, i) == wanted, i


def test_3d_ownership_is_the_papers_without_its_slip():
    """Regression: published, the velocities of joint i are taken three entries too early."""
    own = ownership3d(HUMANML3D)
    for i in range(22):
        positions = range(4 + 3 * (i - 1), 7 + 3 * (i - 1))
        rotations = range(67 + 6 * (i - 1), 73 + 6 * (i - 1))
        wanted = {0, 1, 2, 3} if i == 0 else {*positions, *rotations}
        wanted |= {193 + 3 * i, 194 + 3 * i, 195 + 3 * i}
        wanted |= {259 + CONTACT_JOINTS.index(i)} if i in CONTACT_JOINTS else set()
        assert owned(own, i) == wanted, i


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_every_entry_has_exactly_one_owner(skeleton):
    for own, width in (
        (ownership3d(skeleton), skeleton.dim3),
        (ownership2d(skeleton), skeleton.dim2),
    ):
        assert own.shape == (skeleton.n_joints, width)
        np.testing.assert_array_equal(own.sum(axis=0), 1)


def test_with_everything_seen_every_entry_is_usable():
    seen = np.ones((9, 22), dtype=np.bool_)
    assert feature_mask2d(seen, HUMANML3D).all()
    assert feature_mask3d(seen, HUMANML3D).all()


@pytest.mark.parametrize("joint", range(22))
def test_what_an_unseen_joint_changes_is_masked_and_nothing_unrelated_is(joint):
    """Move one joint in one frame: no entry that the mask calls usable may notice."""
    view = project_view(canonicalise(random_motion(joint), HUMANML3D), 90.0)
    seen = np.ones(view.shape[:2], dtype=np.bool_)
    seen[10, joint] = False
    moved = view.copy()
    moved[10, joint] += [0.7, -0.4]
    before, after = (features_from_view(v, HUMANML3D) for v in (view, moved))
    mask = feature_mask2d(seen, HUMANML3D)
    assert not (mask & ~np.isclose(before, after, atol=1e-6)).any()
    assert (~mask).any(axis=1).nonzero()[0].tolist() == [9, 10]
    assert not mask[10, 86 + 2 * joint]
    if joint in (15, 20, 21):  # nobody's parent: only its own entries go
        lost = {int(i) for i in np.flatnonzero(~mask[10])}
        assert lost == owned(ownership2d(HUMANML3D), joint)


def test_without_a_root_in_frame_0_no_row_knows_its_displacement():
    seen = np.ones((6, 22), dtype=np.bool_)
    seen[0, 0] = False
    assert not feature_mask2d(seen, HUMANML3D)[:, :2].any()


def test_3d_mask_drops_exactly_what_the_unseen_joint_owns():
    seen = np.ones((6, 22), dtype=np.bool_)
    seen[3, 21] = False
    mask = feature_mask3d(seen, HUMANML3D)
    for row in range(5):
        lost = owned(ownership3d(HUMANML3D), 21) if row in (2, 3) else set()
        assert set(np.flatnonzero(~mask[row]).tolist()) == lost
