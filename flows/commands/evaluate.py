"""`crossdiff evaluate-lift`."""

from pathlib import Path

from flows.commands.outcome import Outcome


def evaluate_lift(
    data: Path, checkpoint: Path | None = None, split: str = "test", json: bool = False
) -> Outcome:
    """Measure the 2D-to-3D lift on motion capture, beside a mean pose and a linear regressor.

    Args:
        data: Folder that `crossdiff prepare` wrote.
        checkpoint: Checkpoint folder; default: the weights that come with the package.
        split: train, val or test.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.evaluate import run_lift_evaluation  # noqa: PLC0415

    result, lines = run_lift_evaluation(data, checkpoint, split)
    return Outcome(result, lines)
