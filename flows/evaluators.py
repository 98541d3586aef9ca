"""`crossdiff evaluator`: the networks that scores are computed with, trained or imported."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.engines import device_named
from flows.one_at_a_time import one_at_a_time
from flows.progress import say
from flows.training_sets import TrainingSet, open_training_set
from models.checkpoint_id import CONFIG_FILE
from models.matching.body_parts import PARTS, Part
from models.matching.embedding import Evaluator, EvaluatorError
from models.matching.evaluator_files import WORDS_FILE, save_evaluator
from models.matching.matching_config import PRESETS, MatchingConfig
from models.matching.matching_data import matching_set
from models.matching.published_evaluator import (
    PublishedNetworks,
    find_statistics,
    read_published,
    read_scale,
)
from models.matching.text_inputs import SentenceReader, TextReader
from models.matching.train_part import MatchingData, read_training, train_part
from models.matching.word_vectors import GLOVE, WordReader, load_vocabulary, read_glove
from storage.lineage import code_commit, code_version
from storage.location import without_version

SPLITS = ("train", "val", "test")
DEFAULT_PRESET = "small"


@dataclass(frozen=True)
class EvaluatorOptions:
    """One training of evaluators."""

    out: Path
    data: str | None = None
    parts: tuple[Part, ...] = ()
    preset: str | None = None
    glove: Path | None = None
    datasets: tuple[str, ...] = ()
    resume: bool = False
    device: str = "auto"
    changes: dict[str, Any] = field(default_factory=dict)
    """Fields of the configuration that were given; None where not."""


def train_evaluators(options: EvaluatorOptions) -> dict[str, Any]:
    """Train the networks of the asked parts, one after the other.

    Raises:
        ValueError: Options or data that do not fit together, or trainings that cannot go on.
        StoreError: The store cannot be used.
    """
    parts, device = options.parts or PARTS, device_named(options.device)
    begun = _begun(options, parts) if options.resume else None
    url = _url(options, begun)
    names = options.datasets or (() if begun is None else tuple(begun["data"]["datasets"]))
    opened = open_training_set(url, SPLITS, names)
    opened.refuse_unknown_joints()
    config = _config(options, begun)
    data = _matching_data(url, opened, _reader(options, opened, begun))
    results = {}
    with one_at_a_time(options.out, "a training of evaluators"):
        for part in parts:
            results[part] = train_part(
                config,
                part,
                data,
                options.out / part,
                resume=options.resume,
                say=say,
                device=device,
            )
    remarks = data.reader.remarks([t for each in data.splits["val"].captions for t in each])
    return {"out": str(options.out), "parts": results, "remarks": list(remarks)}


def _begun(options: EvaluatorOptions, parts: tuple[Part, ...]) -> dict[str, Any] | None:
    """What the first training that is there was begun with: all parts share it."""
    found = (read_training(options.out / part) for part in parts)
    return next((facts for facts in found if facts is not None), None)


def _url(options: EvaluatorOptions, begun: dict[str, Any] | None) -> str:
    """The data; of a training that goes on, in the version of its beginning."""
    if begun is None or options.data not in (None, begun["data"]["url"]):
        if options.data is None:
            raise ValueError("--data is missing: give the store that `crossdiff prepare` wrote")
        return options.data
    url, version = begun["data"]["url"], begun["data"].get("version")
    return str(url) if version is None else f"{url}@{version}"


def _config(options: EvaluatorOptions, begun: dict[str, Any] | None) -> MatchingConfig:
    start = PRESETS[options.preset or DEFAULT_PRESET]
    if begun is not None and options.preset is None:
        start = MatchingConfig.from_json(begun["train"])
    given = {name: value for name, value in options.changes.items() if value is not None}
    return dataclasses.replace(start, **given)


def _reader(
    options: EvaluatorOptions, opened: TrainingSet, begun: dict[str, Any] | None
) -> TextReader:
    """GloVe's words where they are given, else the sentence embeddings that the data holds."""
    if options.glove is not None:
        return WordReader(read_glove(options.glove))
    if begun is not None and begun["text_source"] == GLOVE:
        return WordReader(load_vocabulary(options.out / begun["part"] / WORDS_FILE))
    if not opened.text_encoder:
        raise ValueError(
            f"{opened.lineage['data']} holds no caption embeddings: prepare it with captions, or "
            "give --glove and the folder of GloVe vectors"
        )
    return SentenceReader(opened.text_encoder, opened.text_dim)


def _matching_data(url: str, opened: TrainingSet, reader: TextReader) -> MatchingData:
    for split in SPLITS[:2]:
        if not opened.motions[split]:
            raise ValueError(f"{url} has no motion in its {split} split")
    splits = {
        name: matching_set(motions, opened.skeleton)
        for name, motions in opened.motions.items()
        if motions
    }
    for name, part in splits.items():
        if part.left_out:
            say(f"{part.left_out} motions of {name} are left out: no caption, or under 8 rows")
    statistics = opened.statistics
    facts = {
        "data": {**opened.lineage, "url": without_version(url)},
        "code_version": code_version(),
        "code_commit": code_commit(),
    }
    return MatchingData(splits, statistics.mean3, statistics.std3, opened.skeleton, reader, facts)


def import_evaluator(
    weights: Path, out: Path, stats: Path | None, glove: Path | None, part: Part | None
) -> dict[str, Any]:
    """Make an evaluator's folder of published networks.

    Raises:
        ValueError: Networks, statistics or word vectors that cannot be used, or `out` is taken.
    """
    published = read_published(weights)
    if part is not None and part != published.part:
        raise EvaluatorError(
            f"{weights} holds the networks of '{published.part}', not '{part}': leave out --part"
        )
    folder = out / published.part
    if (folder / CONFIG_FILE).exists():
        raise EvaluatorError(f"{folder} already holds an evaluator; choose another --out")
    place = find_statistics(weights, stats)
    scale = read_scale(place, published.skeleton, published.part)
    reader = None if glove is None else WordReader(read_glove(glove))
    about = _imported(weights, published, place, reader)
    evaluator = Evaluator(
        published.part, published.skeleton, "", GLOVE, published.network, scale, reader, about
    )
    name = save_evaluator(evaluator, folder)
    missing = "" if glove else "no word vectors: it embeds motions alone until --glove is given"
    return {
        "out": str(folder),
        "evaluator_id": name,
        "part": published.part,
        "skeleton": published.skeleton.name,
        "statistics": str(place),
        **{key: about[key] for key in ("left_out", "words")},
        "warning": missing,
    }


def _imported(
    weights: Path, published: PublishedNetworks, place: Path, reader: WordReader | None
) -> dict[str, Any]:
    words = None if reader is None else reader.vocabulary
    known = None if words is None else f"{len(words.words)} words, {words.digest}"
    return {
        "imported_from": f"{weights.name}, SHA-256 {published.sha256}",
        "left_out": ", ".join(published.left_out),
        "statistics": place.name,
        "words": known,
    }
