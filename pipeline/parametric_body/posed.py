"""A posed body's surface and joints."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.arrays import Float32, Float64, Int64
from pipeline.parametric_body.posing import Pose
from pipeline.parametric_body.rest import RestBody


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
