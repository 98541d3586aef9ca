"""Which colour a joint, a bone and a surface have; left is blue and right is red everywhere."""

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache

from pipeline.pose.joint_sets import JOINT_SETS
from pipeline.skeletons import SKELETONS, Skeleton

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""


class Limb(Enum):
    """A part of the body that has one colour."""

    LEFT_ARM = (77, 208, 225)
    LEFT_LEG = (74, 144, 245)
    RIGHT_ARM = (255, 171, 64)
    RIGHT_LEG = (242, 84, 80)
    TRUNK = (232, 230, 220)

    @property
    def colour(self) -> Colour:
        """The limb's colour."""
        red, green, blue = self.value
        return red, green, blue


BACKDROP: Colour = (30, 34, 41)
GRID: Colour = (88, 97, 111)
SHADOW: Colour = (13, 15, 19)
OUTLINE: Colour = (15, 17, 21)
PATH_AHEAD: Colour = (88, 92, 84)
PATH_BEHIND: Colour = (214, 196, 92)
UNSEEN: Colour = (158, 163, 171)
STRIP: Colour = (20, 23, 28)
TEXT: Colour = (226, 229, 234)
TEXT_QUIET: Colour = (144, 151, 162)

_LEG_WORDS = ("hip", "knee", "ankle", "foot", "toe", "heel")

Edge = tuple[int, int]
Rig = tuple[tuple[Edge, ...], tuple[Limb, ...], tuple[Limb, ...]]
"""Edges to draw, the limb of each edge, the limb of each joint."""


def limb_of(joint: str) -> Limb:
    """The limb that a joint belongs to, read off its name."""
    is_leg = any(word in joint for word in _LEG_WORDS)
    if "left" in joint:
        return Limb.LEFT_LEG if is_leg else Limb.LEFT_ARM
    if "right" in joint:
        return Limb.RIGHT_LEG if is_leg else Limb.RIGHT_ARM
    return Limb.TRUNK


def skeleton_limbs(skeleton: Skeleton) -> tuple[Limb, ...]:
    """The limb of each joint, by its side and by whether its chain ends in a foot."""
    feet = {*skeleton.feet_left, *skeleton.feet_right}
    legs = {joint for chain in skeleton.chains if feet & set(chain) for joint in chain}
    limbs = [Limb.TRUNK] * skeleton.n_joints
    for left, right in skeleton.mirror_pairs:
        limbs[left] = Limb.LEFT_LEG if left in legs else Limb.LEFT_ARM
        limbs[right] = Limb.RIGHT_LEG if right in legs else Limb.RIGHT_ARM
    return tuple(limbs)


@lru_cache
def rig(joint_set: str) -> Rig:
    """What to draw for a joint set: a data set's skeleton (by its name) or any detector's.

    Raises:
        ValueError: No joint set has this name.
    """
    if joint_set in SKELETONS:
        bones, limbs = SKELETONS[joint_set].bones, skeleton_limbs(SKELETONS[joint_set])
        # A bone belongs to the limb that it leads into: pelvis to left hip is the left leg's.
        return bones, tuple(limbs[child] for _, child in bones), limbs
    if joint_set not in JOINT_SETS:
        known = ", ".join(sorted([*JOINT_SETS, *SKELETONS]))
        raise ValueError(f"cannot draw joint set {joint_set!r}: known are {known}")
    found = JOINT_SETS[joint_set]
    limbs = tuple(limb_of(name) for name in found.joints)
    return found.edges, _edge_limbs(found.edges, limbs), limbs


def _edge_limbs(edges: Sequence[Edge], limbs: Sequence[Limb]) -> tuple[Limb, ...]:
    """An edge inside one limb has its colour; one between two limbs is the trunk's."""
    return tuple(limbs[a] if limbs[a] is limbs[b] else Limb.TRUNK for a, b in edges)


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """`colour` with a share of `other` (0 none, 1 all) mixed in."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue
