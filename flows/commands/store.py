"""`crossdiff ls`, `show` and `report`: what is in a store."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from flows.commands.outcome import Outcome


def ls(
    store: str,
    dataset: str | None = None,
    status: Literal["ok", "failed"] | None = None,
    reason: str | None = None,
    action: str | None = None,
    motions: bool = False,
    min_score: float | None = None,
    runs: bool = False,
    json: bool = False,
) -> Outcome:
    """List what is in a store: videos, or motions; what failed and why; or what measured it.

    Args:
        store: The store, or `STORE@VERSION`.
        dataset: Only this data set.
        status: Only videos that are ok, or that failed.
        reason: Only this reason code, e.g. no_person.
        action: Only this action class, e.g. YoYo.
        motions: List motions instead of videos.
        min_score: With --motions: only those whose label has at least this score, 0 to 1.
        runs: List evaluations that read the store, newest first (of `STORE@VERSION`: that version).
        json: Print one JSON object on stdout instead of text.
    """
    from flows.listing import list_runs, list_store  # noqa: PLC0415

    if runs:
        if status or reason or action or motions or min_score is not None:
            raise ValueError("--runs goes with --dataset alone: leave the other filters out")
        return Outcome(*list_runs(store, dataset=dataset))
    data, lines = list_store(
        store, dataset=dataset, status=status, reason=reason, action=action, motions=motions,
        min_score=min_score,
    )  # fmt: skip
    return Outcome(data, lines)


def show(motion_id: Positional[str], /, store: str, out: Path, json: bool = False) -> Outcome:
    """Make a film of one motion: the video with its 2D overlay beside the 3D skeleton.

    Args:
        motion_id: As `crossdiff ls --motions` prints it.
        store: The store.
        out: The MP4 to write.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.show import show_motion  # noqa: PLC0415

    data = show_motion(store, motion_id, out)
    return Outcome(data, [str(out)])


def report(store: str, out: Path, dataset: str | None = None, json: bool = False) -> Outcome:
    """Write the HTML report of a store; it opens from disk.

    Args:
        store: The store, or `STORE@VERSION`.
        out: The HTML file to write.
        dataset: Only this data set.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.report import write_report  # noqa: PLC0415

    path = str(write_report(store, out, dataset))
    return Outcome({"report": path}, [path])


def compact(store: str, fewest: int = 8, json: bool = False) -> Outcome:
    """Merge the small files of all tables; no row changes, older versions stay readable.

    Args:
        store: The store, without a version.
        fewest: Least number of small files worth merging.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.compact import run_compact  # noqa: PLC0415

    return Outcome(*run_compact(store, fewest))
