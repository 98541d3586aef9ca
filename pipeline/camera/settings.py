"""The camera estimate's knobs, with their units. Pixels are those of the reduced picture."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class CameraSettings:
    """How the background is followed; part of a data set's recipe."""

    side_px: int = 320
    """Pictures whose longer side is more than this are reduced to it before anything is matched."""
    calm_px: float = 2.0
    """After a frame in which three quarters of the points moved less than this since the frame
    before, the next one is not matched: it lies between its neighbours. 0: all are matched. Paths
    of 28 known cameras are as near with 2 as with 0.5 (median error 0.56 px both)."""
    cell_px: int = 18
    """At most one point is taken from each cell of this size: points cover the whole picture."""
    least_cell_px: int = 6
    """Cells of small pictures are smaller, down to this, so that they too have enough."""
    max_points: int = 180
    """Points followed at a time; the strongest."""
    min_corner: float = 4e-5
    """Smallest eigenvalue of a corner (OpenCV's scale, block of 5) that is worth following."""
    agree_px: float = 0.5
    """A point counts as found when following it from the last frame and from the key frame end
    within this."""
    keep_share: float = 0.6
    """With a smaller share of its points left, a key frame is replaced."""
    keep_cells: float = 0.75
    """Likewise with a smaller share of the picture's cells that had points."""
    key_s: float = 4.0
    """A key frame is replaced after this time at the latest."""
    inlier_px: float = 1.2
    """A point moves with the background when it is this near to where the similarity puts it."""
    bend: float = 0.08
    """And by this share of the points' median motion further off: a camera that turns bends the
    picture, more than any similarity can follow, towards its edges."""
    min_points: int = 12
    """With fewer points on the background a frame counts as broken."""
    person_share: float = 0.14
    """Around every joint of a person a disc of this share of the person's size is no background."""
    overlay_px: float = 3.0
    """Points that stand while others move by this or more may be a caption's."""
    still_px: float = 0.6
    """While a key frame holds, a camera that moves less than this stands still."""
    still_share: float = 0.008
    """Over the shot, a camera that moves the picture by less than this share of its width stands
    still: what `CameraPath.moved` means."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        if self.side_px < 64 or self.cell_px < 4:
            raise ValueError("the camera needs pictures of 64 px or more and cells of 4 px or more")
        if not 0 <= self.calm_px <= 2:
            raise ValueError(f"calm_px must be 0 to 2 pixels a frame, got {self.calm_px:g}")
        if not 0 < self.keep_share < 1:
            raise ValueError("keep_share is a share between 0 and 1")
        if self.min_points < 4 or not 4 <= self.max_points <= 65535:
            raise ValueError("a similarity needs 4 points or more")

    def settings(self) -> dict[str, Any]:
        """What a recipe says of it."""
        return asdict(self)
