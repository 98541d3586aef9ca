"""An evaluator's folder: written whole or not at all, read without running anything."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import load_file, save

from models.checkpoint_id import CONFIG_FILE, ID_DIGITS, STATISTICS_FILE, WEIGHTS_FILE
from models.matching.body_parts import PARTS, Part, part_features
from models.matching.embedding import Evaluator, EvaluatorError
from models.matching.evaluator_card import write_card
from models.matching.matching_data import RowScale
from models.matching.networks import MatchingNetwork, MatchingSizes
from models.matching.text_inputs import SentenceReader, TextReader
from models.matching.whole_file import write_whole
from models.matching.word_vectors import GLOVE, WordReader, load_vocabulary, save_vocabulary
from pipeline.skeletons import SKELETONS, Skeleton

FORMAT = 1
WORDS_FILE = "words.safetensors"


def save_evaluator(evaluator: Evaluator, folder: Path) -> str:
    """Write an evaluator's folder; `config.json` is last, a folder without it is none.

    Args:
        evaluator: What to write; its id is made anew.
        folder: Where to; what is there of an evaluator is replaced.

    Returns:
        The evaluator's id.

    Raises:
        EvaluatorError: Weights that are not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = evaluator.network
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    damaged = [name for name, value in state.items() if not bool(value.isfinite().all())]
    if damaged:
        raise EvaluatorError(f"evaluator {folder}: {damaged[0]} holds values that are not finite")
    write_whole(folder / WEIGHTS_FILE, save(state))
    statistics = {"mean": evaluator.scale.mean, "std": evaluator.scale.std}
    write_whole(folder / STATISTICS_FILE, save_arrays(statistics))
    if isinstance(evaluator.reader, WordReader):
        save_vocabulary(evaluator.reader.vocabulary, folder / WORDS_FILE)
    name = evaluator_id(folder, evaluator.part)
    config = {
        "format": FORMAT,
        "part": evaluator.part,
        "skeleton": evaluator.skeleton.name,
        "text_source": evaluator.text_source,
        "sentence_width": network.sentence,
        "sizes": vars(network.sizes),
        "about": evaluator.about,
    }
    write_card(folder, config, name, sum(value.numel() for value in state.values()))
    text = json.dumps(config, indent=2, sort_keys=True, allow_nan=False, default=str) + "\n"
    write_whole(folder / CONFIG_FILE, text.encode())
    return name


def evaluator_id(folder: Path, part: Part) -> str:
    """`<part>-<12 hex digits of weights, statistics and words>`."""
    digest = hashlib.sha256()
    for name in (WEIGHTS_FILE, STATISTICS_FILE, WORDS_FILE):
        if (folder / name).is_file():
            digest.update((folder / name).read_bytes())
    return f"{part}-{digest.hexdigest()[:ID_DIGITS]}"


def load_evaluator(folder: Path) -> Evaluator:
    """The evaluator of one folder, in eval mode.

    Raises:
        EvaluatorError: Not an evaluator's folder, or files that do not fit together.
    """
    missing = [
        name
        for name in (CONFIG_FILE, WEIGHTS_FILE, STATISTICS_FILE)
        if not (folder / name).is_file()
    ]
    if missing:
        raise EvaluatorError(
            f"{folder} is no evaluator: {', '.join(missing)} missing; give a folder that "
            "`crossdiff evaluator train` or `evaluator import` wrote"
        )
    try:
        return _load(folder, json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")))
    except EvaluatorError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        cause = " ".join(str(error).split())[:200] or repr(error)
        raise EvaluatorError(f"evaluator {folder} cannot be loaded: {cause}") from error


def _load(folder: Path, config: dict[str, Any]) -> Evaluator:
    if config["format"] != FORMAT:
        raise EvaluatorError(
            f"evaluator {folder} has format {config['format']}, this version reads {FORMAT}"
        )
    part, skeleton = config["part"], SKELETONS[config["skeleton"]]
    if part not in PARTS:
        raise EvaluatorError(f"evaluator {folder} is of the unknown part '{part}'")
    scale = _scale(folder, skeleton, part)
    network = MatchingNetwork(
        MatchingSizes(**config["sizes"]), len(scale.columns), config["sentence_width"]
    )
    network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return Evaluator(
        part=part,
        skeleton=skeleton,
        evaluator_id=evaluator_id(folder, part),
        text_source=str(config["text_source"]),
        network=network.eval(),
        scale=scale,
        reader=_reader(folder, config),
        about=dict(config["about"]),
    )


def _scale(folder: Path, skeleton: Skeleton, part: Part) -> RowScale:
    arrays = load_arrays(folder / STATISTICS_FILE)
    mean, std = arrays["mean"], arrays["std"]
    if mean.shape != (skeleton.dim3,) or std.shape != mean.shape:
        raise EvaluatorError(f"evaluator {folder}: statistics do not fit {skeleton.name}")
    if not np.isfinite([mean, std]).all() or not (std > 0).all():
        raise EvaluatorError(f"evaluator {folder}: statistics are not finite and positive")
    return RowScale(mean, std, part_features(skeleton, part))


def _reader(folder: Path, config: dict[str, Any]) -> TextReader | None:
    if config["text_source"] != GLOVE:
        return SentenceReader(str(config["text_source"]), int(config["sentence_width"]))
    words = folder / WORDS_FILE
    return WordReader(load_vocabulary(words)) if words.is_file() else None
