"""The settings of labelling, apart from its code: asking what a data set was made with is cheap."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.cleaning_config import CleaningConfig
from pipeline.joint_mapping import CONFIDENCE_THRESHOLD


@dataclass(frozen=True)
class LabelConfig:
    """Everything that changes the numbers of a label; part of a data set's recipe."""

    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    confidence_threshold: float = CONFIDENCE_THRESHOLD
    min_person_score: float = 0.05
    """Smallest choice score (size x coverage x confidence) that counts as a person."""
    one_euro: bool = False
    """Smooth the lifted features with the paper's One-Euro filter."""
    only_2d: bool = False
    """Lift nothing: the motions train the 2D paths alone."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.only_2d and self.one_euro:
            raise ValueError(
                "--one-euro smooths 3D labels, and --only-2d makes none: leave one out"
            )

    def settings(self) -> dict[str, Any]:
        """What a recipe says of it; `only_2d` only when on, as recipes never named it before."""
        told = asdict(self)
        if not self.only_2d:
            del told["only_2d"]
        return told


def relabelled_settings(settings: Mapping[str, Any], *, one_euro: bool) -> dict[str, Any]:
    """The settings in a recipe after its motions were labelled anew, as an ingest would name them.

    Args:
        settings: As the recipe had them.
        one_euro: Whether the new labels were smoothed.
    """
    kept = {name: value for name, value in settings.items() if name != "only_2d"}
    return {**kept, "one_euro": one_euro}
