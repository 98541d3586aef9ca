"""What the clean-up changes and how far; plain data."""

from dataclasses import dataclass
from typing import Literal

from pipeline.plausibility import STANCE_HEIGHT_M


@dataclass(frozen=True)
class CleanUpSettings:
    """Steps of the clean-up; part of a data set's recipe."""

    bones: Literal["median", "canonical", "off"] = "median"
    """Length that each bone gets in all frames: its median over the clip, or the data set's."""
    cutoff_hz: float = 6.0
    """Zero-phase low-pass (Butterworth, order 2, forward and backward); 0 switches it off."""
    ground: bool = True
    """Bring standing feet to one height, and no foot under the floor."""
    lock_feet: bool = True
    """Let standing feet stand still."""
    contact_speed_m_s: float = 0.7
    """A foot stands below this speed. With HumanML3D's 0.89 m/s slow steps count too, and held feet
    slide less than those of motion capture, at the cost of the pose."""
    contact_height_m: float = STANCE_HEIGHT_M
    """A foot stands below this height above the ground."""
    contact_s: float = 0.15
    """Shorter contacts are chance."""
    blend_s: float = 0.2
    """Time in which a foot's shift fades in before a contact and out after it."""
    largest_shift_m: float = 0.15
    """A foot that would have to move further to stand still keeps a part of its slide."""
    ground_tolerance_m: float = 0.03
    """Standing feet within this of the ground are not moved up or down: soles roll."""

    def __post_init__(self) -> None:
        lengths = (
            self.contact_speed_m_s, self.contact_height_m, self.largest_shift_m, self.contact_s,
            self.blend_s, self.ground_tolerance_m, self.cutoff_hz,
        )  # fmt: skip
        if min(lengths) < 0.0:
            raise ValueError("settings of the clean-up must be at least 0")
