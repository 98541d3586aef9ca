"""`crossdiff generate`: sentences to motions, as NPZ files and films."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flows.engines import device_named
from flows.progress import counter
from models.checkpoint import SHIPPED, SHIPPED_STAGE_2, Checkpoint, load_checkpoint
from models.generate.chaining import Seam, chain, check_chainable
from models.generate.generation import (
    BatchPlan,
    MotionRequest,
    device_of,
    drawn_motions,
    frames_of,
    noise_seed,
    occurrences,
    total_steps,
)
from models.generate.sampling import SampleSettings
from models.text.text_encoder import TextEncoder, encoder_for_checkpoint
from pipeline.arrays import Float32
from pipeline.generated_files import (
    begin_index,
    file_stem,
    read_sentences,
    write_index,
    write_motion,
)
from pipeline.render.generated_film import Sentence, write_generated_film


@dataclass(frozen=True)
class GenerateOptions:
    """What `crossdiff generate` is asked to do."""

    sentences: tuple[str, ...]
    out: Path
    texts: Path | None
    checkpoint: Path | None
    text_encoder: Path | None
    settings: SampleSettings
    length_s: float
    copies: int
    seed: int
    chained: bool
    seam: Seam
    film: bool
    bf16: bool
    device: str


@dataclass(frozen=True)
class _Motion:
    """A motion with the sentences it was made from."""

    features: Float32
    joints: Float32
    sentences: tuple[str, ...]
    starts: tuple[int, ...]
    number: int
    copy: int


def generate_motions(options: GenerateOptions) -> dict[str, Any]:
    """Draw the motions and write them.

    Returns:
        What `generated.json` holds, and `index`, its path.

    Raises:
        ValueError: A wrong option; the sentence says which.
        CheckpointError: The checkpoint cannot be used.
    """
    sentences = _sentences(options)
    shipped = SHIPPED_STAGE_2 if options.settings.mode == "3d" else SHIPPED
    loaded = load_checkpoint(options.checkpoint or shipped, device_named(options.device))
    frames = frames_of(options.length_s, loaded)
    encoder = encoder_for_checkpoint(loaded, options.text_encoder)
    vectors = encoder.encode(sentences)
    requests = [
        [
            MotionRequest(vector, frames, noise_seed(options.seed, text, copy))
            for copy in occurrences(sentences, number, options.copies)
        ]
        for number, (text, vector) in enumerate(zip(sentences, vectors, strict=True))
    ]
    index = begin_index(options.out)
    draw = _chains if options.chained else _singles
    lineage = _lineage(options, loaded, encoder)
    # Written as they are drawn: what is stopped keeps what it has made so far.
    made = {
        (motion.number, motion.copy): _write(options, loaded, motion, lineage)
        for motion in draw(options, loaded, sentences, requests)
    }
    written = [entry for _, entry in sorted(made.items())]
    write_index(index, lineage, written)
    return {"index": str(index), **lineage, "motions": written}


def _sentences(options: GenerateOptions) -> tuple[str, ...]:
    listed = read_sentences(options.texts) if options.texts is not None else ()
    sentences = (*(text.strip() for text in options.sentences), *listed)
    if not sentences or not all(sentences):
        raise ValueError('give at least one sentence, e.g. "a person walks forward", or --texts')
    if options.copies < 1:
        raise ValueError(f"--n must be at least 1, not {options.copies}")
    if options.chained:
        check_chainable(options.settings)
    return sentences


def _singles(
    options: GenerateOptions,
    loaded: Checkpoint,
    sentences: tuple[str, ...],
    requests: Sequence[Sequence[MotionRequest]],
) -> Iterator[_Motion]:
    """Every sentence as motions of its own."""
    flat = [request for part in requests for request in part]
    places = [(number, copy) for number, part in enumerate(requests) for copy, _ in enumerate(part)]
    with counter(total_steps(len(flat), options.settings), "generate", "step") as bar:
        for index, motion in drawn_motions(
            loaded, flat, options.settings, plan=_plan(options, loaded), done=bar.update
        ):
            number, copy = places[index]
            said = (sentences[number],)
            yield _Motion(motion.features, motion.joints, said, (0,), number, copy)


def _chains(
    options: GenerateOptions,
    loaded: Checkpoint,
    sentences: tuple[str, ...],
    requests: Sequence[Sequence[MotionRequest]],
) -> Iterator[_Motion]:
    """All sentences as one motion, `copies` times."""
    count = sum(map(len, requests))
    with counter(total_steps(count, options.settings), "generate", "step") as bar:
        drawn = chain(
            loaded,
            requests,
            options.settings,
            seam=options.seam,
            plan=_plan(options, loaded),
            done=bar.update,
        )
    for copy, motion in enumerate(drawn):
        yield _Motion(motion.features, motion.joints, sentences, motion.starts, 0, copy)


def _plan(options: GenerateOptions, loaded: Checkpoint) -> BatchPlan:
    return BatchPlan.for_device(device_of(loaded), options.bf16)


def _lineage(options: GenerateOptions, loaded: Checkpoint, encoder: TextEncoder) -> dict[str, Any]:
    return {
        "checkpoint_id": loaded.checkpoint_id,
        "text_encoder": encoder.encoder_id,
        "skeleton": loaded.skeleton.name,
        "seed": options.seed,
        **asdict(options.settings),
        "chained": options.chained,
        "seam": options.seam if options.chained else "",
        "bf16": options.bf16,
        "device": device_of(loaded).type,
    }


def _write(
    options: GenerateOptions, loaded: Checkpoint, motion: _Motion, lineage: dict[str, Any]
) -> dict[str, Any]:
    """Write one motion's files; returns its entry in the index."""
    stem = file_stem(motion.number, motion.sentences[0], motion.copy)
    fps = loaded.skeleton.fps
    told = {"sentences": list(motion.sentences), "starts": list(motion.starts)}
    facts = {"caption": "; ".join(motion.sentences), **told, "copy": motion.copy, **lineage}
    npz, mp4 = f"{stem}.npz", f"{stem}.mp4"
    write_motion(options.out / npz, motion.joints, motion.features, facts, fps)
    if options.film:
        parts = [Sentence(s, t) for s, t in zip(motion.starts, motion.sentences, strict=True)]
        note = f"{lineage['sampler']}, {lineage['steps']} steps, seed {options.seed}"
        write_generated_film(
            motion.joints,
            fps,
            options.out / mp4,
            parts,
            note=note,
            skeleton=loaded.skeleton,
        )
    files = {"npz": npz, "mp4": mp4 if options.film else None}
    return {**files, **told, "copy": motion.copy, "frames": len(motion.joints), "fps": fps}
