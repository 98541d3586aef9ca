"""The settings of labelling, apart from its code: asking what a data set was made with is cheap."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from pipeline.camera.settings import CameraSettings
from pipeline.cleaning_config import CleaningConfig
from pipeline.joint_mapping import CONFIDENCE_THRESHOLD
from pipeline.physical.settings import CleanUpSettings
from pipeline.shots import ShotSettings

People = Literal["one", "all"]
Ensemble = Literal["none", "flip", "many"]
Preset = Literal["paper", "wild"]
Switch = Literal["preset", "on", "off"]
"""An option as a user gives it: `preset` leaves it to the preset."""
ADDED_LATER = (
    "only_2d", "people", "shots", "camera", "half_bodies", "guesses", "ensemble", "refine",
    "second_opinion", "clean_up", "score", "body_joints",
)  # fmt: skip
"""Options that recipes made before them do not name: off, they are not named now either."""

CONSTANTS_OF_3D = ("refine_settings", "second_opinion_settings", "clean_up_settings")
"""What a recipe names behind the options that change how a view becomes 3D."""
NOT_OPTIONS = ("skeleton_fps", "camera_settings", "shot_settings", "body_joint_rules",
               *CONSTANTS_OF_3D)  # fmt: skip
"""What a recipe also names: of the files it began with, and the constants behind an option."""
OF_3D = ("one_euro", "ensemble", "refine", "second_opinion", "clean_up", "score")
"""Options that change how a view becomes 3D; all others are about the view itself."""

GUESS_THRESHOLD = 0.01
"""Confidence from which a guess is lifted: below it an estimator says that it has none."""


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
    guesses: bool = False
    """Also lift what the 2D estimator guesses of joints that it hardly sees; not seen, in rows."""
    body_joints: bool = False
    """Bring the 2D estimator's joints to where a body has them, where that was measured."""
    ensemble: Ensemble = "none"
    """Lift the view several times, differently prepared, and average."""
    refine: bool = False
    """Fit the lift to the joints that were seen, with bones of constant length."""
    second_opinion: bool = False
    """Average with the 2D estimator's own 3D, where it has one."""
    clean_up: bool = False
    """Physical clean-up: feet that stand stand still, on the ground; less jitter."""
    score: bool = False
    """Judge each label by the calibration that comes with the checkpoint."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        plain = {f.name: f.default for f in fields(self)}
        of_3d = [name for name in OF_3D if getattr(self, name) != plain[name]]
        if self.only_2d and of_3d:
            named = ", ".join(f"--{name.replace('_', '-')}" for name in of_3d)
            raise ValueError(f"--only-2d makes no 3D label, which {named} is for: leave one out")

    def settings(self) -> dict[str, Any]:
        """What a recipe says of it; options beyond the published method only when on."""
        told = asdict(self) | {"cleaning": self.cleaning.settings()}
        plain = asdict(LabelConfig())
        named = {n: v for n, v in told.items() if n not in ADDED_LATER or v != plain[n]}
        return named | self._constants()

    def _constants(self) -> dict[str, Any]:
        """What the options that are on go by: another version's labels may not mix with these."""
        told: dict[str, Any] = {}
        if self.camera:
            told["camera_settings"] = CameraSettings().settings()
        if self.shots:
            told["shot_settings"] = asdict(ShotSettings())
        if self.body_joints:
            from pipeline.body_definition import MEASURED  # noqa: PLC0415 - brings NumPy

            told["body_joint_rules"] = {name: dict(rules) for name, rules in MEASURED.items()}
        if self.refine:
            from pipeline.refine import RefineSettings  # noqa: PLC0415 - brings scipy

            told["refine_settings"] = asdict(RefineSettings())
        if self.second_opinion:
            from pipeline.second_opinion import settings  # noqa: PLC0415 - brings NumPy

            told["second_opinion_settings"] = settings()
        if self.clean_up:
            told["clean_up_settings"] = asdict(CleanUpSettings())
        return told


PRESETS: Mapping[Preset, Mapping[str, Any]] = {
    "paper": {},
    # Not everybody: that labels bystanders too.
    "wild": {
        "shots": True,
        "camera": True,
        "half_bodies": True,
        "guesses": True,
        "body_joints": True,
        "ensemble": "many",
        "refine": True,
        "second_opinion": True,
        "clean_up": True,
        "score": True,
    },
}
"""What each preset switches on."""


def preset_config(preset: Preset, changes: Mapping[str, Any]) -> LabelConfig:
    """A preset with single options changed.

    Args:
        preset: `paper` is the published method.
        changes: Fields of `LabelConfig`, switches as `on`, `off` or `preset`; None and `preset`
            keep the preset's value.

    Raises:
        ValueError: Options that contradict each other.
    """
    switched = {"on": True, "off": False}
    given = {
        name: switched.get(value, value) if isinstance(value, str) else value
        for name, value in changes.items()
        if value not in (None, "preset")
    }
    of_preset = dict(PRESETS[preset])
    if given.get("only_2d"):
        of_preset = {name: value for name, value in of_preset.items() if name not in OF_3D}
    return replace(LabelConfig(), **{**of_preset, **given})


def config_of(settings: Mapping[str, Any]) -> LabelConfig:
    """The configuration that a recipe names.

    Raises:
        ValueError: It names a setting that this version does not know.
    """
    settings = {name: value for name, value in settings.items() if name not in NOT_OPTIONS}
    unknown = set(settings) - {f.name for f in fields(LabelConfig)}
    if unknown:
        raise ValueError(
            f"the data set was labelled with settings that this version does not know: "
            f"{', '.join(sorted(unknown))}; use the version that made it"
        )
    values = dict(settings)
    values["cleaning"] = CleaningConfig(**values.get("cleaning", {}))
    return LabelConfig(**values)


def relabelled_settings(
    settings: Mapping[str, Any], *, one_euro: bool, preset: Preset | None = None
) -> dict[str, Any]:
    """The settings in a recipe after its motions were labelled anew, as an ingest would name them.

    Args:
        settings: As the recipe had them.
        one_euro: Whether the new labels were smoothed.
        preset: How views became 3D; None: as before.
    """
    asked = replace(config_of(settings), only_2d=False, one_euro=one_euro)
    if preset is not None:
        plain = {f.name: f.default for f in fields(LabelConfig)}
        changed = {name: PRESETS[preset].get(name, plain[name]) for name in OF_3D}
        changed["one_euro"] = one_euro
        asked = replace(asked, **changed)
    of_3d = {*OF_3D, *CONSTANTS_OF_3D}
    kept = {name: v for name, v in settings.items() if name not in of_3d and name != "only_2d"}
    return kept | {name: value for name, value in asked.settings().items() if name in of_3d}
