"""Who the motions that are labelled anew are of: the people as the 2D estimator saw them."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from storage.arrow_rows import from_arrow
from storage.rows import MotionRow, TrackRow
from storage.snapshot import Snapshot

PersonKey = tuple[str | None, int | None, int | None]
"""(video hash, shot, track)"""


def key_of(row: MotionRow | TrackRow) -> PersonKey:
    """Whose a row is, in its data set."""
    return row.video_hash, row.shot, row.track


def tracks_of(
    tracks: Snapshot, dataset: str, motions: Iterable[MotionRow]
) -> dict[PersonKey, TrackRow]:
    """The tracks that some motions were made from, whole; one that is not there is left out.

    Args:
        tracks: The table of tracks. It learns once which file holds whom, and reads those alone.
        dataset: Of the motions.
        motions: Motions from video.

    Raises:
        StoreError: The store cannot be read.
    """
    wanted = {key_of(row) for row in motions}
    hashes = sorted({video for video, _, _ in wanted if video is not None})
    paths = [file.path for file in tracks.holding(dataset, hashes)]
    if not paths:
        return {}
    named = pc.field("video_hash").isin(pa.array(hashes, pa.string()))
    where = (pc.field("dataset") == dataset) & named
    found = from_arrow(tracks.read(where, paths=paths), TrackRow)
    return {key_of(row): row for row in found if key_of(row) in wanted}
