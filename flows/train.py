"""`crossdiff train`: opens the data, settles the configuration, trains, says where it all lies."""

import dataclasses
from pathlib import Path
from typing import Any

from flows.progress import say
from flows.train_options import TrainOptions, check, configure, starting_point
from flows.training_sets import TrainingSet, open_training_set
from models.checkpoint import Checkpoint, load_checkpoint
from models.confidence_input import weights_for
from models.data.training_data import build_bank, training_statistics
from models.text.text_encoder import same_encoder
from models.train.crop_windows import fit_windows, longest_rows
from models.train.known_3d import known_3d, shown_3d, without_hidden_3d
from models.train.run_state import Run, statistics_hash
from models.train.train_config import TrainConfig
from models.train.training import read_run, train
from pipeline.normalisation import Statistics
from storage.lineage import code_commit, code_version
from storage.location import without_version

SPLITS = ("train", "val")


def run_training(options: TrainOptions) -> dict[str, Any]:
    """Load the set, train, and say where the checkpoints are.

    Raises:
        ValueError: Options or data that do not fit together, or the run in `out` cannot go on.
        CheckpointError: The initial checkpoint cannot be used.
        StoreError: The store cannot be used.
    """
    check(options)
    begun = read_run(options.out) if options.resume else None
    if begun is not None:
        return _continue(options, *begun)
    if options.data is None:
        if options.resume:
            raise ValueError(f"{options.out} holds no run to continue: leave out --resume")
        raise ValueError("--data is missing: give the store that `crossdiff prepare` wrote")
    initial = None if options.initial is None else load_checkpoint(options.initial)
    start = starting_point(options, initial)
    data = _open(options.data, options.datasets)
    if initial is not None:
        _fits(initial, data, options)
    config = _with_windows(configure(start, options, initial), data)
    if config.mix != start.mix and config.fraction_3d < 1.0:
        say("motions are not mixed: that would read the 3D which --fraction-3d hides")
    if initial is None:
        config = _fitted(config, data)
    statistics = _statistics(data, config) if initial is None else initial.statistics
    about = _facts(options.data, data, statistics, initial)
    return _train(options, config, data, statistics, about, initial)


def _open(url: str, datasets: tuple[str, ...]) -> TrainingSet:
    data = open_training_set(url, SPLITS, datasets)
    for split in SPLITS:
        if not data.motions[split]:
            raise ValueError(f"{url} has no motion in its {split} split")
    data.refuse_unknown_joints()
    return data


def _continue(
    options: TrainOptions, facts: dict[str, Any], statistics: Statistics
) -> dict[str, Any]:
    """Go on with the run in `out`, as it was begun: options given again must be the same."""
    asked = facts.get("data") or {}
    url = options.data or asked.get("url")
    if url is None:
        raise ValueError(f"--data is missing: the run in {options.out} does not say what it read")
    # A store that has grown since would be other data: the version of the beginning is read.
    if url == asked.get("url") and asked.get("version") is not None:
        url = f"{url}@{asked['version']}"
    data = _open(url, options.datasets or tuple(asked.get("datasets", ())))
    about = {k: v for k, v in facts.items() if k not in ("train", "fingerprint")}
    config = _as_asked(options, TrainConfig.from_json(facts["train"]))
    return _train(options, config, data, statistics, about, None)


def _as_asked(options: TrainOptions, begun: TrainConfig) -> TrainConfig:
    """The configuration that the options given with --resume describe; `train` compares it."""
    if options.preset is None and options.config is None:
        config = configure(begun, options, None)
        return config if options.stage is None else dataclasses.replace(config, stage=options.stage)
    initial = None if options.initial is None else load_checkpoint(options.initial)
    config = configure(starting_point(options, initial), options, initial)
    widths = {name: getattr(begun.network, name) for name in ("dim3", "dim2", "text_dim")}
    network = dataclasses.replace(config.network, **widths)
    return dataclasses.replace(config, network=network, windows=begun.windows)


def _with_windows(config: TrainConfig, data: TrainingSet) -> TrainConfig:
    motions = data.motions["train"]
    shown = [m for m, keep in zip(motions, known_3d(motions, config), strict=True) if keep]
    # Without 2D a motion whose 3D is hidden fills no window; `_statistics` tells if all are.
    longest = longest_rows(motions if config.trains_2d or not shown else shown)
    fitted = fit_windows(config, longest)
    if fitted.windows != config.windows:
        say(
            f"the longest training motion has {longest} rows: crops of {fitted.windows} "
            f"instead of {config.windows}"
        )
    return fitted


def _fitted(config: TrainConfig, data: TrainingSet) -> TrainConfig:
    """Network widths of the data's skeleton and text encoder."""
    widths: dict[str, Any] = {"dim3": data.skeleton.dim3, "dim2": data.skeleton.dim2}
    if data.text_encoder:
        widths["text_dim"] = data.text_dim
    return dataclasses.replace(config, network=dataclasses.replace(config.network, **widths))


def _fits(initial: Checkpoint, data: TrainingSet, options: TrainOptions) -> None:
    where = f"--initial {options.initial}"
    if initial.skeleton.name != data.skeleton.name:
        raise ValueError(
            f"{where} was trained on the skeleton {initial.skeleton.name}, the data has "
            f"{data.skeleton.name}: choose data or a checkpoint of the same skeleton"
        )
    encoder = initial.text_encoder
    if data.text_encoder and not same_encoder(encoder, data.text_encoder):
        raise ValueError(
            f"{where} understands text through {encoder}, the data's captions were encoded with "
            f"{data.text_encoder}: prepare the data with the checkpoint's text encoder"
        )
    if data.text_encoder and data.text_dim != initial.network.config.text_dim:
        raise ValueError(
            f"{where} takes text of width {initial.network.config.text_dim}, the data's has "
            f"{data.text_dim}: prepare the data with the checkpoint's text encoder"
        )


def _statistics(data: TrainingSet, config: TrainConfig) -> Statistics:
    """The set's, with 3D statistics of those motions alone whose 3D may be known."""
    known = known_3d(data.motions["train"], config)
    if known.all():
        return data.statistics
    shown = [m for m, keep in zip(data.motions["train"], known, strict=True) if keep]
    if not shown:
        raise ValueError(
            f"--fraction-3d {config.fraction_3d} leaves no motion with 3D: give a larger share"
        )
    return without_hidden_3d(data.statistics, training_statistics(shown, data.skeleton))


def _facts(
    url: str, data: TrainingSet, statistics: Statistics, initial: Checkpoint | None
) -> dict[str, Any]:
    """Lineage of the run: what its weights come from."""
    return {
        "text_encoder": data.text_encoder or None,
        "data": {"url": without_version(url), **data.lineage},
        "statistics": statistics_hash(statistics),
        "initial": None if initial is None else initial.checkpoint_id,
        "code_version": code_version(),
        "code_commit": code_commit(),
    }


def _train(
    options: TrainOptions,
    config: TrainConfig,
    data: TrainingSet,
    statistics: Statistics,
    about: dict[str, Any],
    initial: Checkpoint | None,
) -> dict[str, Any]:
    training, validation = (
        build_bank(data.motions[split], config.network.text_dim, data.skeleton) for split in SPLITS
    )
    run = train(
        config,
        training,
        validation,
        statistics,
        options.out,
        resume=options.resume,
        initial=None if initial is None else weights_for(initial.network, config.network),
        has_3d=shown_3d(data.motions["train"], config),
        about=about,
        max_minutes=options.max_minutes,
        skeleton=data.skeleton,
    )
    return _result(run, options.out)


def _result(run: Run, out: Path) -> dict[str, Any]:
    config = run.config
    return {
        "out": str(out),
        "best": str(out / "best"),
        "steps": run.step,
        "finished": run.step >= config.steps or run.out_of_budget,
        "best_by": config.best_by,
        "best_score": run.best_score,
        "config_hash": config.config_hash,
        "seconds": run.seconds,
        "milliseconds_per_step": run.split.milliseconds(),
    }
