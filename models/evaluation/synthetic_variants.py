"""Ways to label, by name: the published method, each option beyond it alone, and all together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from models.lifting.label_config import PRESETS, LabelConfig, Preset

FAITHFUL: Preset = "paper"
EVERYTHING: Preset = "wild"
WITHOUT = "wild-without-"
"""`wild-without-camera`: all options but one."""
WITH = "wild-with-"
"""`wild-with-people`: and one that the preset leaves out."""
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "people": {"people": "all"},
    "shots": {"shots": True},
    "camera": {"camera": True},
    "half-bodies": {"half_bodies": True},
    "guesses": {"guesses": True},
    "body-joints": {"body_joints": True},
    "flip": {"ensemble": "flip"},
    "ensemble": {"ensemble": "many"},
    "refine": {"refine": True},
    "second-opinion": {"second_opinion": True},
    "clean-up": {"clean_up": True},
    "one-euro": {"one_euro": True},
}
DEFAULT = (FAITHFUL, "people", "camera", "ensemble", "refine", "clean-up", EVERYTHING)


def variant_config(name: str) -> LabelConfig:
    """The configuration of a variant.

    Raises:
        ValueError: No such variant.
    """
    plain = LabelConfig()
    if name == FAITHFUL:
        return plain
    if name in OPTIONS:
        return replace(plain, **OPTIONS[name])
    # The score judges a label and changes nothing of it.
    return replace(plain, **{**_wild_but_for(name), "score": False})


def _wild_but_for(name: str) -> dict[str, Any]:
    """The preset `wild` as a variant's name says, with an option more or less."""
    values = dict(PRESETS[EVERYTHING])
    added, left_out = name.removeprefix(WITH), name.removeprefix(WITHOUT)
    if name == EVERYTHING:
        return values
    if name.startswith(WITH) and added in OPTIONS:
        return {**values, **OPTIONS[added]}
    if name.startswith(WITHOUT) and left_out in OPTIONS and set(OPTIONS[left_out]) <= set(values):
        return {n: v for n, v in values.items() if n not in OPTIONS[left_out]}
    raise ValueError(
        f"there is no variant {name!r}: choose of {', '.join([FAITHFUL, *OPTIONS])}, "
        f"{EVERYTHING}, {WITH}OPTION, {WITHOUT}OPTION"
    )


def variants_of(names: Sequence[str]) -> dict[str, LabelConfig]:
    """Configurations by name; the faithful one first, since all are compared with it.

    Raises:
        ValueError: No such variant.
    """
    ordered = dict.fromkeys((FAITHFUL, *names))
    return {name: variant_config(name) for name in ordered}
