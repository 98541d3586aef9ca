"""Whom an evaluation scores: checkpoints with the caption embeddings that they understand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.checkpoint import Checkpoint
from models.evaluation.items import Items, with_embeddings
from models.matching.evaluator import Evaluator
from models.matching.text_inputs import CaptionText
from models.matching.word_vectors import GLOVE
from models.text.text_encoder import (
    MiniLM,
    encoder_for_checkpoint,
    load_text_encoder,
    same_encoder,
)
from pipeline.arrays import Float32
from pipeline.skeletons import Skeleton

RUN_CHECKPOINTS = ("best", "last")
"""What `crossdiff train` calls the checkpoints in the folder of a run."""


@dataclass(frozen=True)
class Contestant:
    """A checkpoint whose motions are scored."""

    label: str
    checkpoint: Checkpoint
    texts: Mapping[str, Float32] = field(repr=False)
    """Sentence -> (text_dim,) embedding of the encoder that the checkpoint was trained with."""


def contestant(
    label: str,
    checkpoint: Checkpoint,
    items: Items,
    stored_encoder: str,
    text_encoder: str | Path | None = None,
) -> Contestant:
    """A checkpoint made ready: stored embeddings where they are its encoder's, else encoded here.

    Args:
        label: Its name in tables.
        checkpoint: The network.
        items: What it will draw.
        stored_encoder: Encoder of the data's embeddings; empty: none are stored.
        text_encoder: What the user gave for the checkpoint's encoder.

    Raises:
        ValueError: Another skeleton, or its text encoder is not there.
    """
    same_skeleton(items.skeleton, checkpoint.skeleton, f"checkpoint {checkpoint.checkpoint_id}")
    captions = items.captions
    stored = bool(stored_encoder) and same_encoder(checkpoint.text_encoder, stored_encoder)
    width = checkpoint.network.config.text_dim
    if not stored or any(c.embedding is None or c.embedding.size != width for c in captions):
        captions = with_embeddings(captions, _encoder(checkpoint, text_encoder))
    texts = {c.caption: c.embedding for c in captions if c.embedding is not None}
    return Contestant(label, checkpoint, texts)


def _encoder(
    checkpoint: Checkpoint, text_encoder: str | Path | None
) -> Callable[[Sequence[str]], Float32]:
    # The packaged encoder needs no file: one that is given is for another checkpoint.
    packaged = checkpoint.text_encoder == MiniLM.encoder_id
    return encoder_for_checkpoint(checkpoint, None if packaged else text_encoder).encode


def checkpoint_labels(folders: Sequence[Path]) -> list[str]:
    """Names of checkpoint folders for tables: as much of each path's end as tells them apart.

    Training calls its checkpoints `best` and `last`, so that these have their run's name too. The
    same folder given twice is counted.
    """
    parts = [folder.resolve().parts for folder in folders]
    lengths = [2 if names[-1] in RUN_CHECKPOINTS else 1 for names in parts]
    while True:
        labels = ["/".join(names[-length:]) for names, length in zip(parts, lengths, strict=True)]
        longer = [
            length + 1 if _doubled(i, labels, parts) and length < len(parts[i]) else length
            for i, length in enumerate(lengths)
        ]
        if longer == lengths:
            break
        lengths = longer
    return [
        label if labels.count(label) == 1 else f"{label} ({labels[: i + 1].count(label)})"
        for i, label in enumerate(labels)
    ]


def _doubled(place: int, labels: Sequence[str], parts: Sequence[tuple[str, ...]]) -> bool:
    """Whether another folder has the same label."""
    same = (i for i, label in enumerate(labels) if label == labels[place])
    return any(parts[i] != parts[place] for i in same)


def same_skeleton(
    data: Skeleton, other: Skeleton, what: str, instead: str = "choose one of that skeleton"
) -> None:
    """Check that something is made for the data's skeleton.

    Args:
        data: The data's skeleton.
        other: The other's.
        what: Its name.
        instead: What to do about it.

    Raises:
        ValueError: It is not.
    """
    if data != other:
        raise ValueError(
            f"{what} is made for {other.name} ({other.dim3} numbers a row), the data are "
            f"{data.name} ({data.dim3}): {instead}, or other data"
        )


def texts_for_evaluator(
    items: Items, evaluator: Evaluator, stored_encoder: str
) -> list[CaptionText]:
    """All captions as the matching networks read them.

    Args:
        items: Their captions.
        evaluator: Says what it reads.
        stored_encoder: Encoder of the data's embeddings; empty: none are stored.

    Raises:
        ValueError: Another skeleton, or the data cannot feed the evaluator.
    """
    same_skeleton(
        items.skeleton,
        evaluator.skeleton,
        f"evaluator {evaluator.evaluator_id}",
        f"make evaluators for {items.skeleton.name} with `crossdiff evaluator train` and name them "
        "with --evaluators",
    )
    captions, source = items.captions, evaluator.text_source
    if source == GLOVE:
        without = sum(not caption.tokens for caption in captions)
        if without:
            raise ValueError(
                f"evaluator {evaluator.evaluator_id} reads words, {without} of "
                f"{len(captions)} captions have no tokens: prepare the data again"
            )
        return captions
    if source == stored_encoder and all(c.embedding is not None for c in captions):
        return captions
    return with_embeddings(captions, _encoder_named(source, evaluator, stored_encoder))


def _encoder_named(
    source: str, evaluator: Evaluator, stored: str
) -> Callable[[Sequence[str]], Float32]:
    """The encoder of an id: the packaged one; others' weights are files that an id cannot name."""
    if source != MiniLM.encoder_id:
        raise ValueError(
            f"evaluator {evaluator.evaluator_id} reads embeddings of {source}, the data hold "
            f"{stored or 'none'}: prepare the data with that encoder, or choose other evaluators"
        )
    return load_text_encoder("minilm").encode
