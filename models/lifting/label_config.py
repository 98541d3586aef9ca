"""The settings of labelling, apart from its code: asking what a data set was made with is cheap."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from pipeline.cleaning_config import CleaningConfig
from pipeline.joint_mapping import CONFIDENCE_THRESHOLD

People = Literal["one", "all"]
Ensemble = Literal["none", "flip", "many"]
Preset = Literal["paper", "wild"]
ADDED_LATER = (
    "only_2d", "people", "shots", "camera", "half_bodies", "ensemble", "refine", "clean_up",
    "score",
)  # fmt: skip
"""Options that recipes made before them do not name: off, they are not named now either."""


@dataclass(frozen=True)
class LabelConfig:
    """Everything that changes the numbers of a label; part of a data set's recipe.

    The defaults are the published method. What goes beyond it is an option each.
    """

    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    confidence_threshold: float = CONFIDENCE_THRESHOLD
    min_person_score: float = 0.05
    """Smallest choice score (size x coverage x confidence) that counts as a person."""
    one_euro: bool = False
    """Smooth the lifted features with the paper's One-Euro filter."""
    only_2d: bool = False
    """Lift nothing: the motions train the 2D paths alone."""
    people: People = "one"
    """Who becomes motion: the one person that `pipeline.tracking.choose_person` chooses, or all."""
    shots: bool = False
    """Cut the video into shots first: nobody is followed over a cut."""
    camera: bool = False
    """Take the camera's own motion out of the root's path and the body's scale."""
    half_bodies: bool = False
    """Also label people whose hips are out of the picture; what was not seen is marked so."""
    ensemble: Ensemble = "none"
    """Lift the view several times, differently prepared, and average."""
    refine: bool = False
    """Fit the lift to the joints that were seen, with bones of constant length."""
    clean_up: bool = False
    """Physical clean-up: feet that stand stand still, on the ground; less jitter."""
    score: bool = False
    """Judge each label by the calibration that comes with the checkpoint."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.only_2d and self.one_euro:
            raise ValueError(
                "--one-euro smooths 3D labels, and --only-2d makes none: leave one out"
            )

    def settings(self) -> dict[str, Any]:
        """What a recipe says of it; options beyond the published method only when on."""
        told = asdict(self)
        plain = asdict(LabelConfig())
        return {n: v for n, v in told.items() if n not in ADDED_LATER or v != plain[n]}


PRESETS: Mapping[Preset, Mapping[str, Any]] = {
    "paper": {},
    "wild": {
        "people": "all",
        "shots": True,
        "camera": True,
        "half_bodies": True,
        "ensemble": "many",
        "refine": True,
        "clean_up": True,
        "score": True,
    },
}
"""What each preset switches on."""


def preset_config(preset: Preset, changes: Mapping[str, Any]) -> LabelConfig:
    """A preset with single options changed.

    Args:
        preset: `paper` is the published method.
        changes: Fields of `LabelConfig`; None keeps the preset's value.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(LabelConfig(), **{**PRESETS[preset], **given})


def config_of(settings: Mapping[str, Any]) -> LabelConfig:
    """The configuration that a recipe names.

    Raises:
        ValueError: It names a setting that this version does not know.
    """
    unknown = set(settings) - {f.name for f in fields(LabelConfig)}
    if unknown:
        raise ValueError(
            f"the data set was labelled with settings that this version does not know: "
            f"{', '.join(sorted(unknown))}; use the version that made it"
        )
    values = dict(settings)
    values["cleaning"] = CleaningConfig(**values.get("cleaning", {}))
    return LabelConfig(**values)


def relabelled_settings(settings: Mapping[str, Any], *, one_euro: bool) -> dict[str, Any]:
    """The settings in a recipe after its motions were labelled anew, as an ingest would name them.

    Args:
        settings: As the recipe had them.
        one_euro: Whether the new labels were smoothed.
    """
    kept = {name: value for name, value in settings.items() if name != "only_2d"}
    return {**kept, "one_euro": one_euro}
