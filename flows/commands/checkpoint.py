"""`crossdiff checkpoint`: the published weights' layout, and which checkpoint is the one to use."""

from pathlib import Path

from tyro.conf import Positional

from flows.commands.outcome import Outcome


def import_official(
    weights: Positional[Path],
    /,
    out: Path,
    stats: tuple[str, ...] = (),
    heads: int = 4,
    text_encoder: str | None = None,
    json: bool = False,
) -> Outcome:
    """Turn published weights (.pt) into a checkpoint folder. Nothing in the file is executed.

    The file holds neither statistics nor the number of attention heads.

    Args:
        weights: The published file, e.g. pretrain.pt.
        out: Checkpoint folder to write.
        stats: Where the statistics of 3D and of 2D features are, one place or several: a store
            that `prepare` filled, a checkpoint folder, or a folder with Mean.npy and Std.npy (3D),
            Mean_complicate2d.npy and Std_complicate2d.npy (2D). The first that has them counts.
        heads: Attention heads; the published network has 4.
        text_encoder: What it was trained with: CLIP's weights, to hold the checkpoint to exactly
            these, or `minilm`; default: any CLIP ViT-B/32.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.checkpoints import import_weights  # noqa: PLC0415

    data = import_weights(weights, out, stats, heads, text_encoder)
    return Outcome(data, [f"{key}: {_words(value)}" for key, value in data.items() if value])


def export_official(
    checkpoint: Positional[Path],
    /,
    out: Path,
    stats_out: Path | None = None,
    json: bool = False,
) -> Outcome:
    """Write a checkpoint folder's weights in the published layout (.pt).

    Args:
        checkpoint: Checkpoint folder.
        out: The file to write.
        stats_out: Folder for the statistics, as the .npy files that the published code reads.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.checkpoints import export_weights  # noqa: PLC0415

    data = export_weights(checkpoint, out, stats_out)
    return Outcome(data, [f"{key}: {_words(value)}" for key, value in data.items() if value])


def promote(
    run: Positional[Path],
    /,
    models: Path | None = None,
    json: bool = False,
) -> Outcome:
    """Make a checkpoint the one that a folder of models stands for, by hand.

    `--checkpoint MODELS` means it from then on. What stood there before is kept in the pointer.

    Args:
        run: A finetuning's folder, or a checkpoint folder.
        models: Folder of the pointer promoted.json; default: the one that the run is in.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.gate import promote_by_hand  # noqa: PLC0415

    data = promote_by_hand(run, models)
    return Outcome(data, [f"{data['models']} stands for {data['checkpoint_id']}"])


def _words(value: object) -> str:
    """A value of the answer on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)
