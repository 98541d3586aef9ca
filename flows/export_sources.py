"""Where `crossdiff export` takes motions from: a store, or files of `crossdiff generate`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.export_options import ExportOptions
from models.data.captions import tokenise
from pipeline.export.exported import ExportMotion
from pipeline.export.generated import digest_of, read_generated
from pipeline.export.names import labels_of_files
from storage.export_rows import exported_rows, lineage_facts, open_pinned
from storage.export_selection import Selection, select_motions
from storage.lineage import sha256_text
from storage.rows import MotionRow
from storage.store import Store


@dataclass(frozen=True)
class Source:
    """The motions of an export."""

    keys: tuple[str, ...]
    """Motion ids, or paths of files."""
    mirrored: tuple[bool, ...]
    request: Mapping[str, Any]
    """Plain values that say which motions these are, in which state."""
    store: Store | None = None
    selection: Selection | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """What the motions' files are named after, all different."""
        return labels_of_files(self.keys) if self.store is None else self.keys

    @property
    def left_out(self) -> int:
        """Motions that a curator dropped."""
        return self.selection.left_out if self.selection else 0


def find_source(options: ExportOptions) -> Source:
    """The motions asked for; none is read yet.

    Raises:
        ValueError: Nothing matches, or a condition cannot be used.
        StoreError: The store cannot be read, or lacks a motion.
    """
    if options.store is None:
        files = tuple(dict.fromkeys(options.items))
        known = {name: digest_of(Path(name)) for name in files}
        return Source(files, tuple(False for _ in files), {"files": known})
    store, versions = open_pinned(options.store)
    selection = select_motions(
        store,
        options.items,
        query=options.query,
        dataset=options.dataset,
        action=options.action,
        min_score=options.min_score,
        dropped=options.dropped,
    )
    if not selection.rows:
        dropped = selection.left_out
        more = f"; {dropped} were dropped by a curator: --include-dropped" if dropped else ""
        raise ValueError(
            f"no motion of {store.location} is as asked for: `crossdiff ls --motions` lists "
            f"their classes and data sets{more}"
        )
    ids = selection.ids
    request = {
        "store": str(store.location),
        "tables": versions,
        "decisions_version": selection.decisions_version,
        "motions": len(ids),
        "motions_hash": sha256_text("\n".join(ids)),
    }
    mirrored = tuple(bool(row["mirrored"]) for row in selection.rows)
    return Source(tuple(ids), mirrored, request, store, selection)


def motions_of(source: Source, keys: tuple[str, ...]) -> Iterator[tuple[str, ExportMotion]]:
    """Some of the motions, each with its key.

    Raises:
        ValueError: A file is none that `crossdiff generate` writes.
        StoreError: The store cannot be read.
    """
    if source.store is None or source.selection is None:
        for key in keys:
            yield key, _told(read_generated(Path(key)))
        return
    for row in exported_rows(source.store, keys, source.selection.decided):
        yield row.motion_id, _told(_of_row(row))


def _of_row(row: MotionRow) -> ExportMotion:
    return ExportMotion(
        motion_id=row.motion_id,
        joints=row.joints3d,
        features=row.features3d,
        fps=row.fps,
        joint_set=row.joint_set,
        captions=row.captions,
        tokens=row.tokens,
        action=row.action,
        split=row.split,
        mirrored=bool(row.mirrored),
        azimuth_deg=row.view_azimuth_deg,
        lineage=lineage_facts(row.lineage),
    )


def _told(motion: ExportMotion) -> ExportMotion:
    """With tokens for every caption, which HumanML3D's text files hold."""
    if motion.tokens:
        return motion
    tokens = tuple(" ".join(tokenise(text)) for text in motion.captions)
    return motion.with_tokens(tokens)
