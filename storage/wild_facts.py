"""What is known of motions from video besides their arrays: recording, quality of the label."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from storage.catalog import connect
from storage.errors import told_plainly
from storage.store import Store

_FACTS = """
SELECT m.motion_id, coalesce(m.action, ''), m.video_hash, coalesce(v."group", ''),
    m.quality_reprojection_error, m.quality_mean_confidence, m.quality_mask_share, m.label_score
FROM motions AS m LEFT JOIN videos AS v ON v.dataset = m.dataset AND v.video_hash = m.video_hash
WHERE list_contains($datasets, m.dataset) AND m.video_hash IS NOT NULL
"""


@dataclass(frozen=True)
class WildFacts:
    """One motion from video."""

    recording: str
    """Clips with the same name were cut from one recording: the same person, camera and room."""
    reprojection_m: float | None
    """Mean 2D distance of the stored label."""
    confidence: float | None
    """Mean confidence of the 2D estimator."""
    mask_share: float | None
    """Share of joints that were not seen."""
    label_score: float | None = None
    """Calibrated trust in the label, 0..1; None: it was given none."""


def wild_facts(store: Store, datasets: Collection[str]) -> dict[str, WildFacts]:
    """The motions from video of some data sets, by motion id.

    A recording is UCF101's group of a class, in whichever data set; where no group is known, the
    video's content. What has one content is one recording, whatever its files are called.

    Raises:
        StoreError: The store cannot be read.
    """
    wanted = {"datasets": list(datasets)}
    with told_plainly(f"read the motions of {store.location}"), connect(store) as connection:
        rows = connection.execute(_FACTS, wanted).fetchall()
    named = [
        (video, f"{action}/{group}" if group else video) for _, action, video, group, *_ in rows
    ]
    recordings = _joined(named)
    return {
        motion_id: WildFacts(recordings[video], *quality)
        for motion_id, _, video, _, *quality in rows
    }


def _joined(named: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By video the name of its recording, of several the first: all that are linked get one."""
    linked: dict[str, str] = {}

    def head(name: str) -> str:
        while linked.setdefault(name, name) != name:
            linked[name] = linked[linked[name]]
            name = linked[name]
        return name

    pairs = sorted(set(named))
    for video, name in pairs:
        # A content's own name is used only where it has no other.
        first, *rest = sorted({head(video), head(name)}, key=lambda each: ("/" not in each, each))
        linked.update(dict.fromkeys(rest, first))
    return {video: head(video) for video, _ in pairs}
