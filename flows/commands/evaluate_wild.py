"""`crossdiff evaluate wild`."""

from pathlib import Path

from flows.commands.outcome import Outcome
from flows.names import split_names


def wild(
    data: str,
    checkpoint: tuple[Path, ...] = (),
    split: str | None = None,
    datasets: tuple[str, ...] = (),
    out: Path | None = None,
    json: bool = False,
) -> Outcome:
    """Hold motions from video against what was seen: there is no ground truth to compare with.

    Reprojection error in the source view, coverage, confidence and physical figures, per class;
    of the stored labels and, when given, of checkpoints that lift the stored 2D anew.

    Args:
        data: Store that `crossdiff ingest` wrote, URL or URL@version.
        checkpoint: Checkpoint folders whose labels are to be compared with the stored ones.
        split: train, val or test; default: all motions.
        datasets: Only these data sets of the store; default: all that come from video.
        out: Folder for report.html and metrics.json.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.evaluate_wild import WildQuestion, run_wild_evaluation  # noqa: PLC0415

    asked = WildQuestion(data, checkpoint, split, split_names(datasets), out)
    result, lines = run_wild_evaluation(asked)
    return Outcome(result, lines)
