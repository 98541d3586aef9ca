"""`crossdiff classes`."""

from flows.commands.outcome import Outcome


def classes(
    store: str,
    dataset: str | None = None,
    max_reprojection: float | None = None,
    min_confidence: float | None = None,
    min_coverage: float | None = None,
    max_masked: float | None = None,
    min_score: float | None = None,
    json: bool = False,
) -> Outcome:
    """Count the motions of every action class, those of a quality if asked.

    Args:
        store: The store, or `STORE@VERSION`.
        dataset: Only this data set.
        max_reprojection: Only motions whose lift is at most this far from the video's 2D, metres.
        min_confidence: Only motions with at least this mean confidence of the detector, 0 to 1.
        min_coverage: Only motions with the person detected in at least this share of frames.
        max_masked: Only motions with at most this share of joints unseen.
        min_score: Only motions whose label has at least this score, 0 to 1; those without a score
            are counted on a line of their own.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.classes import list_classes  # noqa: PLC0415
    from storage.plain_motions import QualityBounds  # noqa: PLC0415

    bounds = QualityBounds(max_reprojection, min_confidence, min_coverage, max_masked, min_score)
    return Outcome(*list_classes(store, bounds, dataset))
