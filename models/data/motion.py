"""One training motion in memory: what readers of data sets give and trainers take."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool, Float32
from pipeline.skeletons import HUMANML3D


@dataclass(frozen=True)
class Motion:
    """One training motion on its data set's canonical skeleton."""

    motion_id: str
    split: str
    """train, val or test."""
    joints: Float32
    """(T, J, 3) in the data set's length unit (HumanML3D: metres), canonical: on the floor, frame 0
    at xz = 0 facing +Z. Zeros when `has_3d` is False."""
    captions: tuple[str, ...]
    embeddings: Float32
    """(captions, text_dim), or (0, 0) when none were computed."""
    action: str = ""
    source: str = ""
    """Where the clip came from, in words or as an address."""
    tokens: tuple[tuple[str, ...], ...] = ()
    """Per caption its words as `word/POS`, as in HumanML3D's text files; empty when unknown."""
    features: Float32 | None = None
    """(T-1, D3) the source's own feature rows, unnormalised, used as they are; None: computed."""
    joint_set: str = HUMANML3D.name
    """Name of the skeleton, see `pipeline.skeletons`."""
    fps: float = HUMANML3D.fps
    mirrored: bool = False
    """The mirror image of another motion; its id is the other's with a leading M."""
    has_3d: bool = True
    """False: only `view` is known, the 3D losses are off."""
    source_hash: str = ""
    """SHA-256 (hex) of what the motion was computed from; empty when unknown."""
    view: Float32 | None = None
    """(T, J, 2) the view that was really seen (labelled video); None: views are projected."""
    joint_mask: Bool | None = None
    """(T, J) joint is known in `view`; None: all are."""
    feature_mask: Bool | None = None
    """(T-1, D3) feature rests on known joints; None: all do."""

    def __post_init__(self) -> None:
        t, j = self.joints.shape[:2]
        _expect("joints", self.joints.shape, (t, j, 3))
        if self.features is not None:
            _expect("features", self.features.shape[:1], (t - 1,))
        if self.view is not None:
            _expect("view", self.view.shape, (t, j, 2))
        if self.joint_mask is not None:
            _expect("joint_mask", self.joint_mask.shape, (t, j))
        if self.tokens and len(self.tokens) != len(self.captions):
            raise ValueError(
                f"{self.motion_id} has {len(self.captions)} captions and tokens of "
                f"{len(self.tokens)}"
            )

    @property
    def wholly_known(self) -> bool:
        """Whether every joint of every frame is known, in 3D."""
        masks = (self.joint_mask, self.feature_mask)
        return self.has_3d and all(mask is None or bool(mask.all()) for mask in masks)

    def __repr__(self) -> str:
        return (
            f"Motion({self.motion_id}, {self.split}, joints {np.shape(self.joints)}, "
            f"{len(self.captions)} captions)"
        )


def _expect(name: str, have: tuple[int, ...], want: tuple[int, ...]) -> None:
    if have != want:
        raise ValueError(f"{name} is {have}, expected {want}")
