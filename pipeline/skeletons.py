"""The two skeletons of the field's data sets, as data: HumanML3D's 22 joints and KIT-ML's 21."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from pipeline.arrays import Float64


@dataclass(frozen=True)
class Skeleton:
    """A joint tree with the conventions that the motion representation needs."""

    name: str
    joint_names: tuple[str, ...]
    chains: tuple[tuple[int, ...], ...]
    """Kinematic chains, root first; a chain's first bone starts from the root's orientation."""
    raw_offsets: tuple[tuple[int, int, int], ...]
    """(J, 3) unit direction of each joint from its parent in the rest pose."""
    facing: tuple[int, int, int, int]
    """Right hip, left hip, right shoulder, left shoulder."""
    leg_bones: tuple[int, int]
    """The two joints whose bones measure the leg for the scale ratio."""
    feet_left: tuple[int, int]
    feet_right: tuple[int, int]
    contact_threshold: float
    """Squared displacement per frame under which a foot is in contact, 3D."""
    mirror_pairs: tuple[tuple[int, int], ...]
    """(left, right) joint pairs that swap when the motion is mirrored."""
    fps: float
    canonical_lengths: tuple[float, ...] | None = None
    """(J,) bone length to each joint's parent of the data set's target skeleton, or None."""
    metres_per_unit: float = 1.0
    """Metres in one of the data set's length units; cameras and errors are in metres."""
    clip_rows: tuple[int, int] = (40, 199)
    """Shortest and longest clip that the data set's loaders keep, in feature rows."""

    @property
    def n_joints(self) -> int:
        """J."""
        return len(self.joint_names)

    @property
    def dim3(self) -> int:
        """Width of the 3D feature row: 12 J - 1."""
        return 4 + 9 * (self.n_joints - 1) + 3 * self.n_joints + 4

    @property
    def dim2(self) -> int:
        """Width of the 2D feature row: 6 J + 2."""
        return 2 + 4 * (self.n_joints - 1) + 2 * self.n_joints + 4

    @cached_property
    def parents(self) -> tuple[int, ...]:
        """(J,) parent of each joint, -1 for the root."""
        parent = [-1] * self.n_joints
        for chain in self.chains:
            for a, b in pairwise(chain):
                parent[b] = a
        return tuple(parent)

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, joint) of every bone, in joint order."""
        return tuple((p, j) for j, p in enumerate(self.parents) if p >= 0)

    @cached_property
    def mirror_order(self) -> tuple[int, ...]:
        """(J,) index that puts the left joints where the right ones were and back."""
        order = list(range(self.n_joints))
        for left, right in self.mirror_pairs:
            order[left], order[right] = right, left
        return tuple(order)

    @cached_property
    def neck_and_head(self) -> tuple[int, int]:
        """The last two joints of the chain that goes up from the root: not a leg, not an arm."""
        feet = {*self.feet_left, *self.feet_right}
        spine = next(c for c in self.chains if c[0] == 0 and not feet & set(c))
        return spine[-2], spine[-1]

    @property
    def raw_offset_array(self) -> Float64:
        """(J, 3) float copy of the rest directions."""
        return np.asarray(self.raw_offsets, dtype=np.float64)


HUMANML3D = Skeleton(
    name="humanml3d22",
    joint_names=(
        "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2",
        "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot", "neck",
        "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder",
        "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    ),
    chains=(
        (0, 2, 5, 8, 11),
        (0, 1, 4, 7, 10),
        (0, 3, 6, 9, 12, 15),
        (9, 14, 17, 19, 21),
        (9, 13, 16, 18, 20),
    ),
    raw_offsets=(
        (0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, -1, 0), (0, 1, 0),
        (0, -1, 0), (0, -1, 0), (0, 1, 0), (0, 0, 1), (0, 0, 1), (0, 1, 0), (1, 0, 0),
        (-1, 0, 0), (0, 0, 1), (0, -1, 0), (0, -1, 0), (0, -1, 0), (0, -1, 0), (0, -1, 0),
        (0, -1, 0),
    ),
    facing=(2, 1, 17, 16),
    leg_bones=(5, 8),
    feet_left=(7, 10),
    feet_right=(8, 11),
    contact_threshold=0.002,
    mirror_pairs=((1, 2), (4, 5), (7, 8), (10, 11), (13, 14), (16, 17), (18, 19), (20, 21)),
    fps=20.0,
    # Metres, measured on a motion of the data set itself: every motion there has these bones.
    canonical_lengths=(
        0.0, 0.10307, 0.10988, 0.13157, 0.39362, 0.39019, 0.14319, 0.43243, 0.42564, 0.05736,
        0.14338, 0.14942, 0.21936, 0.13749, 0.14338, 0.10304, 0.13161, 0.12298, 0.25684,
        0.26309, 0.26601, 0.26988,
    ),
)  # fmt: skip

KIT = Skeleton(
    name="kitml21",
    # Numbered, since the data disagree: the files' facing and feet make 11-15 the right leg, while
    # the source model calls the same joints left (the files hold its mirror image).
    joint_names=tuple(f"joint{i}" for i in range(21)),
    chains=(
        (0, 11, 12, 13, 14, 15),
        (0, 16, 17, 18, 19, 20),
        (0, 1, 2, 3, 4),
        (3, 5, 6, 7),
        (3, 8, 9, 10),
    ),
    raw_offsets=(
        (0, 0, 0), (0, 1, 0), (0, 1, 0), (0, 1, 0), (0, 1, 0), (1, 0, 0), (0, -1, 0), (0, -1, 0),
        (-1, 0, 0), (0, -1, 0), (0, -1, 0), (1, 0, 0), (0, -1, 0), (0, -1, 0), (0, 0, 1),
        (0, 0, 1), (-1, 0, 0), (0, -1, 0), (0, -1, 0), (0, 0, 1), (0, 0, 1),
    ),
    facing=(11, 16, 5, 8),
    leg_bones=(17, 18),
    feet_left=(19, 20),
    feet_right=(14, 15),
    contact_threshold=0.05,
    mirror_pairs=((8, 5), (9, 6), (10, 7), (16, 11), (17, 12), (18, 13), (19, 14), (20, 15)),
    fps=12.5,
    # Positions of the Master Motor Map at 480 units to 0.75 m, as TEMOS and TMR read the files.
    metres_per_unit=0.75 / 480.0,
    clip_rows=(24, 199),
)  # fmt: skip

SKELETONS = {skeleton.name: skeleton for skeleton in (HUMANML3D, KIT)}
"""By the name that checkpoints and tables carry."""
