"""What an ingest has to do with a skeleton file: its annotations are the clips."""

from dataclasses import replace
from pathlib import Path

from flows.ingest_plan import IngestPlan, LeftClip, PlannedClip, plan_of
from flows.options import IngestOptions
from models.lifting.label_config import LabelConfig
from pipeline.class_names import class_of, read_class_names
from pipeline.reasons import Reason
from pipeline.skeleton_files import SkeletonRecord, hash_skeletons, list_skeletons
from pipeline.video.hashed_files import has_changed
from pipeline.video.sources import SourceClip, clip_named
from pipeline.video.stamps import is_settled, stamp_of


def plan_skeletons(options: IngestOptions, known: frozenset[str]) -> IngestPlan:
    """List a skeleton file's clips, and leave out what the data set holds.

    Args:
        options: `videos` is a skeleton file.
        known: Content hashes that are done.

    Raises:
        ValueError: The file, or that of class names, cannot be used.
    """
    path = Path(options.videos).absolute()
    names = read_class_names(options.classes) if options.classes else ()
    before = stamp_of(path) if path.is_file() else None
    if before is not None and not is_settled(before, options.settle_s):
        said = f"changed less than {options.settle_s:g} seconds ago: it may still be being written"
        return plan_of([LeftClip(clip_named(path.name, path), said)], known)
    records = list_skeletons(path)
    hashes = list(hash_skeletons(path, records))
    if before is None or has_changed(path, before):
        return plan_of([LeftClip(clip_named(path.name, path), "changed while it was read")], known)
    clips = [
        PlannedClip(
            _source(record, path, names),
            digest,
            reason=Reason.BAD_RECORD if record.problem else None,
            detail=record.problem,
            stamp=before,
            skeleton=record,
        )
        for record, digest in zip(records, hashes, strict=True)
    ]
    return plan_of(clips, known, _without_pictures(path, options.label))


def _without_pictures(path: Path, label: LabelConfig) -> list[str]:
    """What was asked for and cannot be done, a sentence each."""
    asked = [name for name in ("shots", "camera") if getattr(label, name)]
    named = " and ".join(f"--{name}" for name in asked)
    return [f"{path.name} has no pictures: {named} could do nothing"] if asked else []


def _source(record: SkeletonRecord, path: Path, names: tuple[str, ...]) -> SourceClip:
    """An annotation as a clip: a class name that was given goes before the name's own."""
    clip = clip_named(record.name, path)
    return replace(clip, action=class_of(record.label, names) or clip.action or _number(record))


def _number(record: SkeletonRecord) -> str | None:
    return f"class{record.label}" if record.label is not None else None
