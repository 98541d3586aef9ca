"""What a clip itself says against its label: the lift, seen from its camera, and the view it had.

Not in the paper. A pseudo label repeats what the parent made of a view, errors included; the view
is the only thing about a clip that is known. So the labelling pass of the network in training
(2D to 3D at t = 0) is also held against the joints that were seen in the clip.
"""

import torch
from torch import Tensor

from models.batches.batch import Knowledge
from models.batches.projection import rotation_y
from pipeline.representation2d import ROOT_FIELDS
from pipeline.representation3d import field_slices
from pipeline.skeletons import Skeleton
from pipeline.views import UNITS_PER_METRE

SEEN_SCALE_M = 0.1
"""A distance that costs 1: about what a label from video is off."""
NEWTON_STEPS = 10


def body_in_world(features: Tensor, skeleton: Skeleton) -> Tensor:
    """Joints relative to the root, turned as in the world; torch twin of `recover_joints`.

    Args:
        features: (B, T, D3) not normalised; frame 0 faces +Z.
        skeleton: The joint tree.

    Returns:
        (B, T, J - 1, 3) in the skeleton's length unit, without the root, Y up.
    """
    batch, rows = features.shape[:2]
    local = features[..., field_slices(skeleton)["positions"]].reshape(batch, rows, -1, 3)
    height = features[:, :, 3:4, None]
    local = torch.cat([local[..., :1], local[..., 1:2] - height, local[..., 2:]], -1)
    velocity = features[..., 0]
    # The rows hold the half angle by which the world turns to the next frame's facing.
    heading = -2.0 * (velocity.cumsum(1) - velocity)
    turn = rotation_y(heading.reshape(-1)).reshape(batch, rows, 3, 3)
    return local @ turn.transpose(2, 3)


def best_azimuth(body: Tensor, shown: Tensor, seen: Tensor) -> Tensor:
    """(B,) radians: the camera under which bodies look most like what was shown.

    As `pipeline.quality.fit_azimuth`, batched: least squares, then Gauss-Newton.

    Args:
        body: (B, N, 3) points relative to the root.
        shown: (B, N, 2) the same points in the view, in the same unit.
        seen: (B, N) 1 where a point counts, else 0.
    """
    x, z, u = body[..., 0], body[..., 2], shown[..., 0]
    angle = torch.atan2((z * u * seen).sum(1), (x * u * seen).sum(1))
    for _ in range(NEWTON_STEPS):
        c, s = angle.cos()[:, None], angle.sin()[:, None]
        residual, slope = x * c + z * s - u, z * c - x * s
        fall = (slope**2 * seen).sum(1).clamp(min=1e-9)
        angle = angle - (residual * slope * seen).sum(1) / fall
    return angle


def seen_loss(
    lifted: Tensor, view_rows: Tensor, known: Knowledge, lifting: Tensor, skeleton: Skeleton
) -> Tensor:
    """Mean squared distance between lift and view, in `SEEN_SCALE_M`, over the clips that tell.

    Root aligned, seen joints only, each clip from the azimuth that fits it best, without
    perspective. 0 when no clip tells anything.

    Args:
        lifted: (B, T, D3) the 2D to 3D output, not normalised.
        view_rows: (B, T, D2) 2D features of what was seen, not normalised.
        known: Which of their entries are known; those of motion capture have weight 0 here.
        lifting: (B,) True for clips that went through the labelling pass.
        skeleton: The joint tree.
    """
    batch = len(lifted)
    places = slice(ROOT_FIELDS, ROOT_FIELDS + 2 * (skeleton.n_joints - 1))
    seen = known.mask2[..., places].reshape(batch, -1, 2).all(-1) & lifting[:, None]
    shown = view_rows[..., places].reshape(batch, -1, 2) / UNITS_PER_METRE
    body = body_in_world(lifted, skeleton).reshape(batch, -1, 3) * skeleton.metres_per_unit
    counts = seen.to(body.dtype)
    with torch.no_grad():
        angle = best_azimuth(body, shown, counts)
    c, s = angle.cos()[:, None], angle.sin()[:, None]
    across = body[..., 0] * c + body[..., 2] * s - shown[..., 0]
    off = torch.stack([across, body[..., 1] - shown[..., 1]], -1) / SEEN_SCALE_M
    # Chosen before it is squared: whatever is hidden reaches neither loss nor gradient.
    square = torch.where(seen[..., None], off, 0.0).square().sum((1, 2))
    points = counts.sum(1)
    return (square / points.clamp(min=1)).sum() / (points > 0).sum().clamp(min=1)
