"""How somebody wants videos labelled, before it is known whether the data set has begun.

What a wish leaves open follows the data set; a data set that begins takes the default preset. So a
default that becomes better changes no data set under way, and mixes no two ways of labelling.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from models.lifting.label_config import (
    OF_3D,
    PRESETS,
    LabelConfig,
    Preset,
    config_of,
    preset_config,
)

DEFAULT_PRESET: Preset = "wild"
"""What a new data set is labelled with: measured better than `paper` in the README's table."""
NEEDS_PICTURES = ("shots", "camera", "second_opinion", "body_joints")
"""Options for which a file of 2D joints has nothing to go by."""
NEEDS_PACKAGED = ("second_opinion", "body_joints")
"""Options for which a 2D estimator must have a 3D of its own, or joints that were measured."""
_WORDS = {True: "on", False: "off"}


@dataclass(frozen=True)
class LabelWish:
    """What was said of labels."""

    preset: Preset | None = None
    """None: nobody chose one."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `LabelConfig`; switches as `on`, `off`; None and `preset` say nothing."""

    @property
    def said(self) -> dict[str, Any]:
        """The changes that say something."""
        return {name: v for name, v in self.changes.items() if v not in (None, "preset")}

    def for_new(self, impossible: Collection[str] = ()) -> LabelConfig:
        """The labels of a data set that begins.

        Args:
            impossible: Options that cannot do anything for this input: the default leaves them
                out, a preset that was chosen keeps them.

        Raises:
            ValueError: Options that contradict each other.
        """
        if self.preset is not None:
            return preset_config(self.preset, self.changes)
        without = {name: "off" for name in impossible if name in PRESETS[DEFAULT_PRESET]}
        return preset_config(DEFAULT_PRESET, {**without, **self.said})

    def for_begun(self, settings: Mapping[str, Any]) -> LabelConfig:
        """The labels of a data set that has begun: its own, but for what was said.

        Whether the data set agrees to what was said is for whoever holds it to its recipe.

        Args:
            settings: Of its recipe.

        Raises:
            ValueError: It was labelled with a setting that this version does not know.
        """
        if self.preset is not None:
            return self.for_new()
        begun, said = config_of(settings), preset_config("paper", self.changes)
        changed = {name: getattr(said, name) for name in self.said}
        if changed.get("only_2d"):
            plain = LabelConfig()
            changed = {name: getattr(plain, name) for name in OF_3D} | changed
        elif begun.only_2d and set(changed) & set(OF_3D):
            changed["only_2d"] = False
        return replace(begun, **changed)


def beyond_the_lift(settings: Mapping[str, Any]) -> list[str]:
    """What a recipe's labels are beside the network's lift, in words; a score changes no label."""
    of_3d = [name for name in OF_3D if name != "score"]
    plain = LabelConfig()
    told = {name: settings.get(name, getattr(plain, name)) for name in of_3d}
    return [_named(name, v) for name, v in told.items() if v != getattr(plain, name)]


def label_words(config: LabelConfig) -> str:
    """A configuration in words: the preset that it is nearest to, and what differs from that."""
    found = {name: _differing(name, config) for name in PRESETS}
    nearest = min(found, key=lambda name: len(found[name]))
    return ", ".join([nearest, *found[nearest]])


def _differing(preset: Preset, config: LabelConfig) -> list[str]:
    base = preset_config(preset, {"only_2d": config.only_2d})
    both = ((f.name, getattr(config, f.name), getattr(base, f.name)) for f in fields(LabelConfig))
    told = [_named(name, mine) for name, mine, its in both if mine != its]
    return ["2D only", *told] if config.only_2d else told


def _named(option: str, value: object) -> str:
    return f"{option.replace('_', '-')} {_word(value)}"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return _WORDS[value]
    return value if isinstance(value, str) else "of its own"
