"""`crossdiff evaluate lift`."""

from pathlib import Path

from flows.commands.outcome import Outcome
from flows.names import split_names


def lift(
    data: str,
    checkpoint: Path | None = None,
    split: str = "test",
    datasets: tuple[str, ...] = (),
    noise: bool = False,
    masked: bool = False,
    azimuths: float | None = None,
    by_action: bool = False,
    by_joint: bool = False,
    seed: int = 1,
    out: Path | None = None,
    json: bool = False,
) -> Outcome:
    """Measure the 2D-to-3D lift on motion capture, beside a mean pose and a linear regressor.

    Args:
        data: Store that `crossdiff prepare` wrote, URL or URL@version; or a folder with a snapshot.
        checkpoint: Checkpoint folder; default: the weights that come with the package.
        split: train, val or test.
        datasets: Only these data sets of the store; default: all.
        noise: Measure also with detector-like noise (2 % of body height on every joint in every
            frame, 10 % of joints missing), straight and after ingestion's cleaning.
        masked: Measure also with a body part hidden in every view (an arm, a leg from the knee
            down, or both), and tell joints that were seen from those that were not.
        azimuths: Measure also at every azimuth this many degrees apart, e.g. 15.
        by_action: Show the worst and best actions too; JSON and --out always hold all.
        by_joint: Show every joint too; JSON and --out always hold it.
        seed: Seed of the noise and of what is hidden.
        out: Folder for report.html, metrics.json and tables.md (for a model card).
        json: Print one JSON object on stdout instead of text.
    """
    from flows.evaluate_lift import LiftQuestion, run_lift_evaluation  # noqa: PLC0415

    asked = LiftQuestion(
        data=data,
        checkpoint=checkpoint,
        split=split,
        datasets=split_names(datasets),
        noise=noise,
        masked=masked,
        azimuths=azimuths,
        by_action=by_action,
        by_joint=by_joint,
        seed=seed,
        out=out,
    )
    result, lines = run_lift_evaluation(asked)
    return Outcome(result, lines)
