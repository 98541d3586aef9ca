"""What a finetuning reads: motion capture, motions from video, and who was held out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from flows.finetune_options import FinetuneOptions
from flows.training_sets import TrainingSet, open_training_set
from models.checkpoint import Checkpoint
from models.data.motion import Motion
from models.data.motion_tables import motions_of
from models.data.wild_selection import (
    MAX_REPROJECTION_M,
    SelectionRules,
    WildClip,
    WildSelection,
    select_wild,
)
from models.evaluation.wild import unusable
from models.text.action_captions import load_action_captions
from models.text.text_encoder import encoder_for_checkpoint, gather, same_encoder
from storage.decisions import Decision, current_decisions, decisions_version
from storage.seen_videos import pseudo_datasets
from storage.store import open_store
from storage.wild_facts import WildFacts, wild_facts

SPLITS = ("train", "val")


@dataclass(frozen=True)
class WildSet:
    """Motions from video, as a finetuning sees them."""

    selection: WildSelection = field(repr=False)
    recordings: Mapping[str, str] = field(repr=False)
    """By motion id: clips of one recording are no independent measurements."""
    lineage: dict[str, Any]
    """As of `TrainingSet.lineage`, with `decisions_version`."""
    sentences: Mapping[str, tuple[str, ...]] = field(repr=False)
    """By action: what its motions without captions of their own are given."""


def open_mocap(url: str, datasets: tuple[str, ...], parent: Checkpoint) -> TrainingSet:
    """Motion capture that goes on training a checkpoint.

    Raises:
        ValueError: An empty split, motions that are not wholly known or from video, or another
            skeleton or text encoder than the checkpoint's.
        StoreError: The store cannot be read.
    """
    opened = open_training_set(url, SPLITS, datasets)
    for split in SPLITS:
        if not opened.motions[split]:
            raise ValueError(f"--data {url} has no motion in its {split} split")
    opened.refuse_unknown_joints()
    _refuse_video(url, opened)
    _fits(url, opened, parent)
    return opened


def _refuse_video(url: str, opened: TrainingSet) -> None:
    """A clip of which every joint was seen would look like motion capture, held out or not."""
    seen = (m.motion_id for part in opened.motions.values() for m in part if m.view is not None)
    first = next(seen, None)
    if first is not None:
        raise ValueError(
            f"--data {url} holds motions from video, {first} first: choose data sets of motion "
            "capture with --datasets, video goes into --wild"
        )


def _fits(url: str, opened: TrainingSet, parent: Checkpoint) -> None:
    _same_skeleton(f"--data {url}", opened, parent)
    encoder, width = opened.text_encoder, parent.network.config.text_dim
    if encoder and not (same_encoder(parent.text_encoder, encoder) and opened.text_dim == width):
        raise ValueError(
            f"the checkpoint understands text through {parent.text_encoder} (width {width}), the "
            f"captions of --data {url} were encoded with {encoder} (width {opened.text_dim}): "
            "prepare the data with the checkpoint's text encoder"
        )


def _same_skeleton(where: str, opened: TrainingSet, parent: Checkpoint) -> None:
    if opened.skeleton.name != parent.skeleton.name:
        raise ValueError(
            f"{where} holds {opened.skeleton.name} motions, the checkpoint was trained on "
            f"{parent.skeleton.name}: choose data or a checkpoint of the same skeleton"
        )


def open_wild(
    url: str,
    options: FinetuneOptions,
    parent: Checkpoint,
    sentences: Mapping[str, Sequence[str]] | None = None,
    decisions_at: int | Literal["newest"] | None = "newest",
) -> WildSet:
    """Motions from video: who trains with what weight, who is held out, who is left out and why.

    The same version of the store, of its decisions and the same sentences give the same selection.

    Args:
        url: The store, `URL` or `URL@version`.
        options: Of the finetuning.
        parent: Its skeleton and text encoder count.
        sentences: By action, as an earlier opening told them; None: of the captions file and ours.
        decisions_at: Version of the decisions; None: from before there were any.

    Raises:
        ValueError: No motion from video, an unknown action, or another skeleton.
        StoreError: The store cannot be read.
    """
    store = open_store(url)
    from_video = pseudo_datasets(store)
    if not from_video:
        raise ValueError(f"--wild {url} has no motion from video: fill it with `crossdiff ingest`")
    version = decisions_version(store) if decisions_at == "newest" else decisions_at
    opened = open_training_set(url, (), options.wild_datasets or from_video)
    _same_skeleton(f"--wild {url}", opened, parent)
    motions = [m for m in motions_of(opened.tables) if m.view is not None]
    facts = wild_facts(store, opened.lineage["datasets"])
    decided = {} if version is None else current_decisions(store, version=version)
    told = _sentences(motions, options.captions) if sentences is None else _tuples(sentences)
    broken = Counter(reason for motion in motions if (reason := unusable(motion)))
    sound = [m for m in motions if not unusable(m)]
    captioned = _captioned(sound, decided, told, parent, options)
    clips = [_clip(m, facts[m.motion_id], decided.get(m.motion_id)) for m in captioned]
    selection = select_wild(clips, _selection_rules(options))
    return WildSet(
        replace(selection, left_out={**selection.left_out, **broken}),
        {name: fact.recording for name, fact in facts.items()},
        {**opened.lineage, "decisions_version": version},
        told,
    )


def _sentences(motions: Sequence[Motion], file: Path | None) -> dict[str, tuple[str, ...]]:
    captions = load_action_captions(file)
    return {action: captions.sentences(action) for action in sorted({m.action for m in motions})}


def _tuples(sentences: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {action: tuple(said) for action, said in sentences.items()}


def _captioned(
    motions: Sequence[Motion],
    decided: Mapping[str, Decision],
    sentences: Mapping[str, tuple[str, ...]],
    parent: Checkpoint,
    options: FinetuneOptions,
) -> list[Motion]:
    """Motions with their captions, each distinct sentence encoded once by the parent's encoder."""
    said = [_caption(m, decided.get(m.motion_id), sentences) for m in motions]
    distinct = sorted({sentence for captions in said for sentence in captions})
    vectors = {}
    if distinct:
        encoder = encoder_for_checkpoint(parent, options.text_encoder)
        vectors = dict(zip(distinct, encoder.encode(distinct), strict=True))
    return [
        replace(m, captions=captions, embeddings=gather(vectors, captions), tokens=())
        for m, captions in zip(motions, said, strict=True)
    ]


def _caption(
    motion: Motion, decision: Decision | None, sentences: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """A curator's sentences, else the motion's own, else those of its action."""
    curated = None if decision is None else decision.captions
    return curated or motion.captions or sentences.get(motion.action, ())


def _clip(motion: Motion, facts: WildFacts, decision: Decision | None) -> WildClip:
    return WildClip(
        motion=motion,
        recording=facts.recording,
        reprojection_m=facts.reprojection_m,
        label_score=facts.label_score,
        confidence=facts.confidence,
        mask_share=facts.mask_share,
        verdict="" if decision is None else decision.verdict or "",
        split=None if decision is None else decision.split,
    )


def _selection_rules(options: FinetuneOptions) -> SelectionRules:
    limit = options.max_reprojection
    return SelectionRules(
        actions=options.actions,
        quality=options.quality,
        max_reprojection_m=MAX_REPROJECTION_M if limit is None else limit,
        min_score=options.min_score,
        poor=options.poor,
        holdout=options.holdout,
        only_2d=options.only_2d,
    )
