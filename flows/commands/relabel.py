"""`crossdiff relabel`."""

from pathlib import Path
from typing import Literal

from flows.commands.outcome import Outcome


def relabel(
    store: str,
    dataset: str,
    checkpoint: Path,
    preset: Literal["same", "paper", "wild"] = "same",
    one_euro: bool = False,
    label_2d_only: bool = False,
    shard_size: int = 32,
    device: str = "auto",
    json: bool = False,
) -> Outcome:
    """Lift a data set's stored views with another checkpoint: a new version. Safe to interrupt.

    Args:
        store: The store; its earlier versions keep the earlier labels.
        dataset: Name of the data set.
        checkpoint: CrossDiff checkpoint folder.
        preset: How views become 3D: with the `same` options as the data set's labels before, as
            published (`paper`), or with what goes beyond it (`wild`).
        one_euro: Smooth the new labels with the paper's One-Euro filter.
        label_2d_only: Also label motions that were ingested with --only-2d.
        shard_size: Motions labelled between two writes: what a kill costs.
        device: auto, cpu, cuda or cuda:N.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.relabel import RelabelOptions, run_relabel  # noqa: PLC0415

    options = RelabelOptions(
        store, dataset, checkpoint, one_euro, label_2d_only, shard_size, device, preset
    )
    return Outcome(*run_relabel(options))
