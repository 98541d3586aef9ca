"""The settings of labelling, apart from its code: asking what a data set was made with is cheap."""

from dataclasses import dataclass, field

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
