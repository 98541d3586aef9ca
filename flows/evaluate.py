"""`crossdiff evaluate-lift`: the lift's error beside its baselines."""

from pathlib import Path
from typing import Any

from models.checkpoint import SHIPPED, load_checkpoint
from models.evaluate_lift import evaluate_lift
from models.training_data import read_motions


def run_lift_evaluation(
    data: Path, checkpoint: Path | None, split: str
) -> tuple[dict[str, Any], list[str]]:
    """Errors on a split of unmirrored motions; baselines are fitted on the training split.

    Raises:
        ValueError: The split is empty.
        CheckpointError: The checkpoint cannot be used.
    """
    loaded = load_checkpoint(checkpoint or SHIPPED)
    motions = [m for m in read_motions(data, split) if not m.motion_id.startswith("M")]
    report = evaluate_lift(loaded, motions, read_motions(data, "train"))
    result = {"checkpoint_id": loaded.checkpoint_id, "split": split, **report.to_json()}
    return result, report.lines()
