"""2D as other bodies show it: people are no mocap skeleton, and detectors name other joints.

All motion capture is retargeted to one skeleton, so a network trained on it has seen one set of
bone lengths. A person in a video has others, and a detector's hips and shoulders lie elsewhere in
the body. Here the 2D input is made from the same motion on another body; what is to be learned
stays the motion of the canonical one.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.batches.detector_faults import joint_rules
from models.batches.detector_noise import ancestor_matrix
from models.batches.device_constants import index_on, rows_on
from pipeline.body_scale import BONES_AVERAGED, LONG_BONES, NECK, PELVIS, PERCENTILE, TRUNK_LENGTH_M
from pipeline.skeletons import HUMANML3D, Skeleton
from pipeline.views import UNITS_PER_METRE

PARTS: dict[str, tuple[str, ...]] = {
    "thighs": ("knee",),
    "shins": ("ankle",),
    "feet": ("foot",),
    "trunk": ("spine1", "spine2", "spine3", "neck", "collar"),
    "head": ("head",),
    "upper_arms": ("elbow",),
    "forearms": ("wrist",),
}
"""Bones that grow together, by the joints at their ends."""
WIDTHS = {"hips": "hip", "shoulders": "shoulder"}
"""Pairs of joints whose distance from each other varies; legs and arms go along."""


@dataclass(frozen=True)
class Proportions:
    """What bodies the 2D input shows; a share of zero is the canonical body alone.

    Factors are relative to the canonical body, before the whole is brought to its size.
    """

    share: float = 0.0
    """Share of the samples that show another body."""
    spread: float = 0.06
    """Standard deviation of the log of each part's factor, left and right alike."""
    width_spread: float = 0.15
    """The same of the two widths."""
    thighs: float = 1.0
    """Middle of the part's factor; so are those below."""
    shins: float = 1.0
    feet: float = 1.0
    trunk: float = 1.0
    head: float = 1.0
    upper_arms: float = 1.0
    forearms: float = 1.0
    hips: float = 1.0
    """Of the distance between the hip joints."""
    shoulders: float = 1.0
    """Of the distance between the shoulder joints."""
    mapped: bool = True
    """Place the trunk's joints between hips, shoulders and head by the rules that stand in for them
    where a detector has none (`pipeline.joint_mapping`)."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"proportions: share must lie in 0..1, got {self.share}")
        spreads = (self.spread, self.width_spread)
        if not all(0.0 <= s < math.inf for s in spreads):
            raise ValueError(f"proportions: spreads must be 0 or more, got {spreads}")
        wrong = [n for n in (*PARTS, *WIDTHS) if not 0.0 < getattr(self, n) < 10.0]
        if wrong:
            raise ValueError(f"proportions: {', '.join(wrong)} must lie above 0 and under 10")


SAME_BODY = Proportions()
DETECTED = Proportions(
    share=0.75,
    thighs=1.0,
    shins=0.9,
    feet=0.88,
    upper_arms=1.04,
    forearms=0.93,
    hips=1.35,
    shoulders=0.82,
)
"""Bodies as MediaPipe's joints show them after mapping, relative to the canonical one.

Measured on 40 rendered and 22 real clips, which agree: longest appearances in 2D
(`pipeline.body_scale.PERCENTILE`) and, of the rendered, medians of the estimator's own 3D. Where
the two differ a value between was taken: thighs 0.96 and 1.11, hips' distance 1.2 and 1.6.
"""
BODIES = {"canonical": SAME_BODY, "detected": DETECTED}
"""By `--proportions`."""


def other_bodies(
    joints: Tensor, bodies: Proportions, skeleton: Skeleton, g: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """The same motions on other bodies.

    Every joint is a weighted sum of the canonical body's joints, as bones grow along themselves:
    poses stay, and what is seen of them from anywhere is a weighted sum too.

    Args:
        joints: (B, T, J, 3) metres.
        bodies: What is drawn.
        skeleton: The joint tree.
        g: On the joints' device; None is the device's own.

    Returns:
        (B, T, J, 3) metres, not yet brought to size, and (B,) True where the body is another one.

    Raises:
        ValueError: Another skeleton than the one whose parts have names.
    """
    if skeleton != HUMANML3D:
        raise ValueError(
            f"proportions are known of {HUMANML3D.name} bodies and the motions are "
            f"{skeleton.name}: choose --proportions canonical"
        )
    batch, device = len(joints), joints.device
    changed = torch.rand(batch, generator=g, device=device) < bodies.share
    weights = _widths(batch, bodies, skeleton, g, device) @ _bones(
        batch, bodies, skeleton, g, device
    )
    if bodies.mapped:
        weights = joint_rules(skeleton, device) @ weights
    moved = torch.einsum("bjk,btkd->btjd", weights, joints)
    return torch.where(changed[:, None, None, None], moved, joints), changed


def _drawn(
    batch: int, middle: float, spread: float, g: torch.Generator | None, device: torch.device
) -> Tensor:
    """(B,) factors; nobody is beyond two standard deviations."""
    draw = torch.randn(batch, generator=g, device=device).clamp(-2, 2)
    return torch.exp(math.log(middle) + spread * draw)


def _part_of(name: str) -> str:
    """A joint's name without its side."""
    return name.removeprefix("left_").removeprefix("right_")


def _bones(
    batch: int,
    bodies: Proportions,
    skeleton: Skeleton,
    g: torch.Generator | None,
    device: torch.device,
) -> Tensor:
    """(B, J, J) weights that make each part longer or shorter."""
    count = skeleton.n_joints
    factor = torch.ones(batch, count, device=device)
    for part, ends in PARTS.items():
        drawn = _drawn(batch, getattr(bodies, part), bodies.spread, g, device)
        of_part = tuple(float(_part_of(name) in ends) for name in skeleton.joint_names)
        belongs = rows_on(device, torch.float32, (of_part,)) > 0
        factor = torch.where(belongs, drawn[:, None], factor)
    parents = index_on(device, tuple(max(parent, 0) for parent in skeleton.parents))
    same = torch.eye(count, device=device)
    bones = same - same[parents]
    bones[0] = same[0]
    return ancestor_matrix(skeleton, device) @ (factor[:, :, None] * bones)


def _widths(
    batch: int,
    bodies: Proportions,
    skeleton: Skeleton,
    g: torch.Generator | None,
    device: torch.device,
) -> Tensor:
    """(B, J, J) weights that move hips and shoulders apart, with what hangs on them."""
    names, same = skeleton.joint_names, torch.eye(skeleton.n_joints, device=device)
    below = ancestor_matrix(skeleton, device)
    out = same.expand(batch, -1, -1)
    for width, joint in WIDTHS.items():
        drawn = _drawn(batch, getattr(bodies, width), bodies.width_spread, g, device)
        left, right = names.index(f"left_{joint}"), names.index(f"right_{joint}")
        apart = (below[:, left] - below[:, right])[:, None] * (same[left] - same[right])
        out = out + ((drawn - 1.0) / 2.0)[:, None, None] * apart
    return out


def to_judged_size(view: Tensor, changed: Tensor) -> Tensor:
    """Views of the changed bodies at the size that ingestion would bring them to.

    Args:
        view: (B, T, 22, 2) in the view's scale, root of frame 0 at 0.
        changed: (B,)
    """
    size = judged_size(view)
    return view / torch.where(changed, size, torch.ones_like(size))[:, None, None, None]


def judged_size(view: Tensor) -> Tensor:
    """Torch twin of `pipeline.body_scale.pixels_per_metre`, with every joint seen.

    Args:
        view: (B, T, 22, 2) in the view's scale.

    Returns:
        (B,) size of the body in the view over the canonical one's.
    """
    lengths = HUMANML3D.canonical_lengths
    assert lengths is not None  # noqa: S101 - the canonical skeleton has them
    pairs = (*LONG_BONES, (PELVIS, NECK))
    known = [lengths[b] for _, b in LONG_BONES] + [TRUNK_LENGTH_M]
    first, last = (index_on(view.device, ends) for ends in zip(*pairs, strict=True))
    shown = (view[:, :, first] - view[:, :, last]).norm(dim=-1)
    longest = torch.quantile(shown, PERCENTILE / 100.0, dim=1) / UNITS_PER_METRE
    ratios = longest / rows_on(view.device, view.dtype, (tuple(known),))
    return ratios.topk(BONES_AVERAGED, dim=1).values.mean(dim=1)
