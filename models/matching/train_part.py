"""Training of one body part from its data to its evaluator folder, resumable."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.checkpoint_id import CONFIG_FILE
from models.matching.body_parts import PARTS, Part
from models.matching.embedding import Evaluator
from models.matching.evaluator_files import WORDS_FILE, load_evaluator, save_evaluator
from models.matching.matching_config import MatchingConfig
from models.matching.matching_data import MatchingSet, RowScale, row_scale
from models.matching.matching_run import STATE_FILE, MatchingRun, load_state, start_run
from models.matching.matching_validation import validation_recall
from models.matching.text_inputs import SentenceReader, TextReader
from models.matching.train_matching import MatchingJob, data_name, train_matching
from models.matching.whole_file import write_whole
from models.matching.word_vectors import WordReader, save_vocabulary
from pipeline.arrays import Float32
from pipeline.representation3d import field_slices
from pipeline.skeletons import Skeleton

TRAINING_FILE = "training.json"
"""Configuration and data of a training, written before it begins."""


@dataclass(frozen=True)
class MatchingData:
    """What evaluators of all parts are trained on."""

    splits: Mapping[str, MatchingSet]
    """`train` and `val`; others are measured at the end."""
    mean: Float32
    """(D3,) of the training split."""
    std: Float32
    """(D3,) of the training split."""
    skeleton: Skeleton
    reader: TextReader
    facts: Mapping[str, Any]
    """Lineage of the data and the code, for config.json and the card."""


def train_part(
    config: MatchingConfig,
    part: Part,
    data: MatchingData,
    out: Path,
    *,
    resume: bool,
    say: Callable[[str], None],
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Train one part's networks; the best on the validation split become the evaluator in `out`.

    Writes `training.json` first, then `state.pt` now and then, and the evaluator's files whenever
    it got better.

    Args:
        config: Sizes, losses, steps and seed.
        part: Body part.
        data: What to train, validate and measure on.
        out: Folder of this part.
        resume: Continue from `out/state.pt` when it is there.
        say: Receives progress lines.
        device: Where to train.

    Returns:
        The evaluator's id, its steps and its R-Precision on every split but `train`.

    Raises:
        ValueError: `out` holds a training and `resume` is off, or one begun otherwise.
        KeyboardInterrupt: Somebody asked for an end; the training can be resumed.
    """
    if not resume and ((out / STATE_FILE).exists() or (out / CONFIG_FILE).exists()):
        raise ValueError(f"{out} already holds an evaluator; add --resume or choose another --out")
    if len(data.splits["train"]) < 2:
        raise ValueError("one motion has no mismatch: matching needs at least two to train on")
    scale = row_scale(data.mean, data.std, data.skeleton, part, config.feature_bias)
    target = _target(scale, data.skeleton, part)
    sentence = data.reader.width if isinstance(data.reader, SentenceReader) else None
    widths = len(scale.columns), len(target.columns)
    run = start_run(config, part, *widths, sentence, data_name(data.splits["train"]), device)
    if (out / STATE_FILE).exists():
        load_state(run, out / STATE_FILE)
        say(f"{part}: resuming at step {run.movement_step} of movements, {run.step} of matching")
    _write_first(config, part, data, out)
    say(_announcement(run, data.splits["train"]))

    def keep_best(best: MatchingRun) -> None:
        save_evaluator(_evaluator(best, scale, data, {}), out)

    train, val = data.splits["train"], data.splits["val"]
    train_matching(MatchingJob(run, train, val, scale, target, data.reader, out, keep_best, say))
    return _finish(run, scale, data, out)


def _announcement(run: MatchingRun, training: MatchingSet) -> str:
    """What is going to be done, before the first step."""
    config, size = run.config, sum(p.numel() for p in run.network.parameters())
    short = int((training.lengths < config.movement_window).sum())
    text = (
        f"{run.part}: {len(training)} motions, {size / 1e6:.2f} M parameters, on "
        f"{run.network.device}; {config.movement_steps} steps of movements, then {config.steps} of "
        "matching"
    )
    if short:
        text += f"; {short} motions under {config.movement_window} rows give no movements"
    return text


def _target(scale: RowScale, skeleton: Skeleton, part: Part) -> RowScale:
    """What the movement decoder rebuilds: what the encoder sees, and with `all` the contacts."""
    if part != "all":
        return scale
    contacts = np.r_[field_slices(skeleton)["contacts"]]
    return RowScale(scale.mean, scale.std, np.concatenate([scale.columns, contacts]))


def _write_first(config: MatchingConfig, part: Part, data: MatchingData, out: Path) -> None:
    """Configuration, data and word vectors are on disk before work starts."""
    out.mkdir(parents=True, exist_ok=True)
    facts = {
        **data.facts,
        "part": part,
        "skeleton": data.skeleton.name,
        "text_source": data.reader.source,
        "train": config.to_json(),
    }
    text = json.dumps(facts, indent=2, default=str) + "\n"
    write_whole(out / TRAINING_FILE, text.encode())
    if isinstance(data.reader, WordReader):
        save_vocabulary(data.reader.vocabulary, out / WORDS_FILE)


def read_training(out: Path) -> dict[str, Any] | None:
    """What a training in `out` was begun with, or None without one.

    Raises:
        ValueError: The file is damaged.
    """
    file = out / TRAINING_FILE
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not _tells_a_training(found):
        raise ValueError(f"{file} is damaged: train into another --out")
    return dict(found)


def _tells_a_training(found: object) -> bool:
    """Whether what a file holds has everything that a training goes on with."""
    if not isinstance(found, Mapping) or not isinstance(data := found.get("data"), Mapping):
        return False
    names = data.get("datasets")
    return (
        isinstance(found.get("train"), Mapping)
        and isinstance(names, list)
        and all(isinstance(name, str) for name in (*names, data.get("url")))
        and isinstance(found.get("text_source"), str)
        and found.get("part") in PARTS
    )


def _evaluator(
    run: MatchingRun, scale: RowScale, data: MatchingData, measured: Mapping[str, Any]
) -> Evaluator:
    about = {
        **data.facts,
        "step": run.best_step,
        "steps": run.config.steps,
        "best_score": run.best_score,
        "train": run.config.to_json(),
        "measured": dict(measured),
    }
    return Evaluator(
        run.part, data.skeleton, "", data.reader.source, run.network, scale, data.reader, about
    )


def _finish(run: MatchingRun, scale: RowScale, data: MatchingData, out: Path) -> dict[str, Any]:
    """Measure the best networks on the other splits and write that into their card."""
    run.network.load_state_dict(load_evaluator(out).network.state_dict())
    others = {name: part for name, part in data.splits.items() if name != "train"}
    found = {
        name: validation_recall(run.network, part, scale, data.reader)
        for name, part in others.items()
    }
    measured = {
        name: {"motions": len(others[name]), "r_precision": list(shares)}
        for name, shares in found.items()
    }
    name = save_evaluator(_evaluator(run, scale, data, measured), out)
    return {
        "evaluator_id": name,
        "out": str(out),
        "step": run.best_step,
        "steps": run.step,
        "seconds": round(run.seconds, 1),
        **{f"r_precision_{split}": list(shares) for split, shares in found.items()},
    }
