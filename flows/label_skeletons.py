"""Labelling one annotation of a skeleton file, apart from planning: that needs no network."""

from flows.ingest_plan import PlannedClip
from flows.options import IngestOptions
from models.checkpoint import Checkpoint
from models.lifting.labelling import ClipResult, label_people
from models.lifting.skeleton_observing import observe_skeletons


def label_record(
    options: IngestOptions, clip: PlannedClip, checkpoint: Checkpoint | None
) -> ClipResult:
    """All that an annotation gives."""
    assert clip.skeleton is not None  # noqa: S101 - the caller has looked
    path, fps, label = clip.source.path, options.skeleton_fps, options.label
    seen = observe_skeletons(path, clip.skeleton, fps, label, clip.video_hash)
    return label_people(seen, checkpoint, label)
