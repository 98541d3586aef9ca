"""A posed body's surface and joints, put on the floor."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from pipeline.arrays import Float32, Float64, Int64
from tests.benchmarks.synthetic.body import RestBody
from tests.benchmarks.synthetic.posing import JOINT, Pose

STANDING_M = 0.03
"""A frame whose lowest captured joint is so near to the clip's lowest touches the floor."""
SETTLE_FRAMES = 3.0
"""Standard deviation of the smoothing of the correction in height."""
LOW_PERCENTILE = 5.0


@dataclass(frozen=True)
class PosedBody:
    """A clip's body: vertices are computed frame by frame, joints at once."""

    body: RestBody
    pose: Pose

    def wearing(self, surface: Float32) -> "PosedBody":
        """The same with another surface (V, 3) at rest."""
        return replace(self, body=replace(self.body, vertices=surface))

    def vertices(self, frame: int) -> Float32:
        """(V, 3) by linear blend skinning."""
        turns = self.pose.turns[frame].astype(np.float32)
        moved = self.pose.heads[frame] - np.einsum("bij,bj->bi", turns, self.body.heads)
        affine = np.concatenate([turns, moved[..., None].astype(np.float32)], -1)
        blended = np.einsum("vk,vkij->vij", self.body.weights, affine[self.body.bones])
        points = np.einsum("vij,vj->vi", blended[..., :3], self.body.vertices) + blended[..., 3]
        return np.asarray(points, np.float32)

    def joints(self) -> Float64:
        """(T, 22, 3) the body's own."""
        return self._carried(self.body.joints, self.body.joint_bones)

    def face(self) -> Float64:
        """(T, 5, 3) nose, eyes and ears."""
        head = np.full(len(self.body.face_points), self.body.bone("head"))
        return self._carried(self.body.face_points, head)

    def _carried(self, points: Float64, bones: Int64) -> Float64:
        offset = points - self.body.heads[bones]
        turned = np.einsum("tjxy,jy->tjx", self.pose.turns[:, bones], offset)
        return np.asarray(self.pose.heads[:, bones] + turned)


def settle(posed: PosedBody, captured: Float64) -> PosedBody:
    """Put the body on the floor (y = 0) wherever the captured motion touches its own floor.

    Between such frames the correction is interpolated, so that jumps stay jumps.

    Args:
        posed: Anywhere in height.
        captured: (T, 22, 3) metres, the motion that it performs.
    """
    lowest = captured[..., 1].min(1)
    touching = lowest < np.percentile(lowest, LOW_PERCENTILE) + STANDING_M
    frames = np.flatnonzero(touching)
    under = np.array([posed.vertices(int(t))[:, 1].min() for t in frames])
    rise = -np.interp(np.arange(len(captured)), frames, under)
    rise = gaussian_filter1d(rise, SETTLE_FRAMES, mode="nearest")
    heads = posed.pose.heads + np.stack([0 * rise, rise, 0 * rise], -1)[:, None]
    return replace(posed, pose=replace(posed.pose, heads=heads))


BONES = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
)


def direction_error_deg(rendered: Float64, captured: Float64) -> float:
    """Mean angle between limb bones of the body and of the motion that it performs."""
    off = []
    for a, b in BONES:
        pair = [joints[:, JOINT[b]] - joints[:, JOINT[a]] for joints in (rendered, captured)]
        one, two = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in pair)
        off.append(np.degrees(np.arccos(np.clip((one * two).sum(-1), -1, 1))))
    return float(np.mean(off))
