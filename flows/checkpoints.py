"""`crossdiff checkpoint`: published weights in, ours out in the published layout."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.training_sets import open_training_set
from models.checkpoint import load_checkpoint, save_checkpoint
from models.checkpoint_id import CONFIG_FILE, CheckpointError, checkpoint_id
from models.official_checkpoint import import_network, write_official
from models.statistics_files import NPY_NAMES, combine_statistics, read_place, write_npy
from models.text.text_encoder import CLIP_OF_THE_PAPER, CLIP_WIDTH, load_text_encoder
from pipeline.arrays import Float32
from pipeline.skeletons import SKELETONS, Skeleton


def import_weights(
    weights: Path, out: Path, stats: tuple[str, ...], heads: int, text_encoder: str | None
) -> dict[str, Any]:
    """Make a checkpoint folder of published weights.

    Raises:
        ValueError: The weights, the statistics or the encoder cannot be used, or `out` is taken.
    """
    if (out / CONFIG_FILE).exists():
        raise CheckpointError(f"{out} already holds a checkpoint; choose another --out")
    imported = import_network(weights, heads)
    config = imported.network.config
    skeleton = _skeleton(config.dim3, config.dim2, weights)
    statistics, sources = combine_statistics([_place(s) for s in stats], skeleton)
    encoder_id = CLIP_OF_THE_PAPER
    if text_encoder is None and config.text_dim != CLIP_WIDTH:
        raise CheckpointError(
            f"{weights} takes {config.text_dim} numbers a sentence, which is not CLIP's "
            f"{CLIP_WIDTH}: say with --text-encoder what it was trained with, e.g. minilm"
        )
    if text_encoder is not None:
        encoder = load_text_encoder(text_encoder)
        encoder_id = encoder.encoder_id
        if encoder.width != config.text_dim:
            raise CheckpointError(
                f"--text-encoder {text_encoder} gives {encoder.width} numbers a sentence, the "
                f"weights take {config.text_dim}; give the encoder that they were trained with"
            )
    save_checkpoint(
        out,
        imported.network,
        statistics,
        skeleton,
        masks_padding=False,  # the published network attends to padded frames
        about={
            "imported_from": f"{weights.name}, SHA-256 {imported.sha256}",
            "left_out": imported.left_out,
            "statistics": sources,
            "text_encoder": encoder_id,
        },
    )
    return {
        "out": str(out),
        "checkpoint_id": checkpoint_id(out),
        "skeleton": skeleton.name,
        "parameters": sum(p.numel() for p in imported.network.parameters()),
        "network": config.to_json(),
        "left_out": list(imported.left_out),
        "statistics": sources,
        "text_encoder": encoder_id,
    }


def _place(given: str) -> tuple[str, Mapping[str, Float32]]:
    """Statistics from files in a folder, or those of a store's (or plain file's) training split."""
    path = Path(given)
    if path.is_dir() or path.suffix == ".safetensors":
        arrays = read_place(path)
        if arrays:
            return path.name, arrays  # no path: checkpoints are shared
    return given, open_training_set(given, ()).statistics.arrays()


def _skeleton(dim3: int, dim2: int, weights: Path) -> Skeleton:
    for skeleton in SKELETONS.values():
        if (dim3, dim2) == (skeleton.dim3, skeleton.dim2):
            return skeleton
    known = ", ".join(f"{s.dim3}/{s.dim2} ({s.name})" for s in SKELETONS.values())
    raise CheckpointError(
        f"{weights} takes {dim3} numbers a frame in 3D and {dim2} in 2D; known are {known}"
    )


def export_weights(checkpoint: Path, out: Path, stats_out: Path | None) -> dict[str, Any]:
    """Write a checkpoint in the published layout, and its statistics as the .npy files beside it.

    Raises:
        ValueError: The checkpoint cannot be used, or has no published layout.
        FileExistsError: A file is there already.
    """
    loaded = load_checkpoint(checkpoint)
    taken = (
        [stats_out / n for n in NPY_NAMES.values() if (stats_out / n).exists()] if stats_out else []
    )
    if taken:
        raise FileExistsError(f"{taken[0]} is there already; choose another --stats-out")
    if stats_out is not None:
        stats_out.mkdir(parents=True, exist_ok=True)  # refused here, nothing is half exported
    write_official(loaded.network, out)
    written = write_npy(loaded.statistics, stats_out) if stats_out is not None else []
    return {
        "out": str(out),
        "checkpoint_id": loaded.checkpoint_id,
        "statistics": [str(file) for file in written],
    }
