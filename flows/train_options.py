"""What a training run is asked to do: options that fit together, and the configuration of them."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from models.batches.augment import NO_MIX, CameraAugmentation
from models.batches.measured_noise import NOISES
from models.batches.proportions import BODIES
from models.checkpoint import Checkpoint
from models.train.train_config import PRESETS, TrainConfig, stage_two

DEFAULT_PRESET = "small"
CAMERAS = {
    "4": CameraAugmentation(),
    "1": CameraAugmentation(quarters=1),
    "continuous": CameraAugmentation(continuous=1.0, elevation_deg=12.0),
}
"""By `--views`: the paper's four, front alone, and any azimuth, tilted up to 12 degrees."""
GROUPED_BATCHES = 50
"""That `--group-lengths` fills together."""
FROM_PAPER = "paper"
"""What goes on from imported weights is configured like: they do not say what trained them."""


@dataclass(frozen=True)
class TrainOptions:
    """The command line's options; None or False: not given."""

    out: Path
    data: str | None = None
    """Store URL, `URL@version`, or a folder of the plain Parquet format."""
    stage: Literal[1, 2] | None = None
    preset: str | None = None
    config: Path | None = None
    initial: Path | None = None
    views: str | None = None
    noise: str | None = None
    proportions: str | None = None
    confidence: bool = False
    no_shared_encoder: bool = False
    only_3d: bool = False
    fraction_3d: float | None = None
    datasets: tuple[str, ...] = ()
    group_lengths: bool = False
    resume: bool = False
    max_minutes: float | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Plain fields of `TrainConfig`, None where not given."""


def check(options: TrainOptions) -> None:
    """Refuse what can be seen to be wrong before anything is read.

    Raises:
        ValueError: Options that do not go together; the sentence names them.
    """
    for wrong, sentence in _rules(options):
        if wrong:
            raise ValueError(sentence)


def _rules(o: TrainOptions) -> list[tuple[bool, str]]:
    share, alone = o.fraction_3d, "--stage 2" if o.stage == 2 else "--only-3d"
    reads_no_2d = o.only_3d or o.stage == 2
    return [
        (
            o.preset is not None and o.config is not None,
            "give --preset or --config, not both: each is a whole configuration",
        ),
        (
            o.only_3d and o.stage == 2,
            "--only-3d is Stage I without 2D, and --stage 2 trains 3D to 3D alone anyway: "
            "leave out one of the two",
        ),
        (
            share is not None and not 0.0 < share <= 1.0,
            f"--fraction-3d {share}: give a share of the motions above 0 and at most 1",
        ),
        (
            reads_no_2d and o.views is not None,
            f"--views chooses cameras for 2D, which {alone} does not train: leave it out",
        ),
        (
            reads_no_2d and (o.noise is not None or o.confidence),
            f"--noise and --confidence are about 2D, which {alone} does not train: leave them out",
        ),
        (
            reads_no_2d and o.proportions is not None,
            f"--proportions is about 2D, which {alone} does not train: leave it out",
        ),
        (
            o.only_3d and o.no_shared_encoder,
            "--no-shared-encoder changes nothing with --only-3d, where no 2D is encoded: "
            "leave out one of the two",
        ),
        (
            o.max_minutes is not None and not o.max_minutes >= 0.0,  # nan too
            f"--max-minutes {o.max_minutes}: give the minutes after which to stop",
        ),
    ]


def starting_point(options: TrainOptions, initial: Checkpoint | None) -> TrainConfig:
    """A preset, or the configuration that a run or a checkpoint was trained with; its stage too.

    Raises:
        ValueError: The file holds no training configuration, or Stage II has nothing to start from.
    """
    config = _named(options, initial)
    if options.stage == 2 and config.stage == 1:
        config = stage_two(config)
    if options.stage != 2 and config.stage == 2 and (options.stage == 1 or options.config is None):
        raise ValueError(
            "what --config or --initial was trained with is Stage II: add --stage 2, or choose a "
            "--preset for Stage I"
        )
    if config.stage == 2 and initial is None:
        raise ValueError(
            "Stage II goes on from Stage I: add --initial RUN/best, the best checkpoint of that run"
        )
    return config


def _named(options: TrainOptions, initial: Checkpoint | None) -> TrainConfig:
    """The configuration of --config, --preset, --initial or the default, in this order."""
    if options.config is not None:
        return _config_of(options.config)
    if options.preset is not None:
        return PRESETS[options.preset]
    if initial is None:
        return PRESETS[DEFAULT_PRESET]
    trained = initial.about.get("train")
    return TrainConfig.from_json(trained) if trained else PRESETS[FROM_PAPER]


def _config_of(file: Path) -> TrainConfig:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"--config {file} is not JSON: {error}") from error
    except OSError as error:
        raise ValueError(f"--config {file} cannot be read: {error.strerror}") from error
    if not isinstance(values, dict):
        raise ValueError(f"--config {file} holds no training configuration")
    about = values.get("about")
    trained_with = values.get("train") or (about.get("train") if isinstance(about, dict) else None)
    try:
        return TrainConfig.from_json(trained_with or values)
    except ValueError as error:
        raise ValueError(f"--config {file}: {error}") from error


def configure(start: TrainConfig, options: TrainOptions, initial: Checkpoint | None) -> TrainConfig:
    """The starting point with every given option; sizes come from `initial` where there is one.

    Raises:
        ValueError: A value out of range, or an option that the initial checkpoint rules out.
    """
    changes = {name: value for name, value in options.changes.items() if value is not None}
    if options.views is not None:
        changes["camera"] = CAMERAS[options.views]
    if options.noise is not None:
        changes["noise"] = NOISES[options.noise]
    if options.proportions is not None:
        changes["proportions"] = BODIES[options.proportions]
    if options.only_3d:
        changes["only_3d"] = True
    if options.fraction_3d is not None:
        changes["fraction_3d"] = options.fraction_3d
    if options.no_shared_encoder:
        changes["network"] = dataclasses.replace(start.network, shared=False)
    if initial is not None:
        changes |= _inherited(options, initial)
    if options.confidence:
        network = changes.get("network", start.network)
        changes["network"] = dataclasses.replace(network, confidence_input=True)
    if options.group_lengths:
        changes |= _grouped(options, initial)
    if changes.get("fraction_3d", start.fraction_3d) < 1.0:
        changes["mix"] = NO_MIX  # mixing reads 3D; `config.json` and the printed line say so
    return dataclasses.replace(start, **changes)


def _grouped(options: TrainOptions, initial: Checkpoint | None) -> dict[str, Any]:
    """What `--group-lengths` changes: nothing is drawn by window length, nothing is mixed."""
    if initial is not None and not initial.masks_padding:
        raise ValueError(
            f"--initial {options.initial} was trained with padding that it attends to, which "
            "--group-lengths leaves out: leave one of them out"
        )
    groups = {"length_groups": GROUPED_BATCHES, "masks_padding": True}
    return {**groups, "bucketed": False, "mix": NO_MIX}


def _inherited(options: TrainOptions, initial: Checkpoint) -> dict[str, Any]:
    """What a run takes over from the checkpoint that it goes on from."""
    folder, network = options.initial, initial.network.config
    if options.no_shared_encoder and network.shared:
        raise ValueError(
            f"--initial {folder} shares its encoder: --no-shared-encoder needs a checkpoint that "
            "was trained so"
        )
    out: dict[str, Any] = {"network": network, "masks_padding": initial.masks_padding}
    before = initial.about.get("train") or {}
    share = before.get("fraction_3d", 1.0)
    if options.fraction_3d is not None and options.fraction_3d > share:
        raise ValueError(
            f"--fraction-3d {options.fraction_3d} shows more 3D than --initial {folder} has seen "
            f"({share}): give at most that"
        )
    if options.fraction_3d is None:
        out["fraction_3d"] = share
    return {**out, "subset_seed": before.get("subset_seed", 1)}
