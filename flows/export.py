"""`crossdiff export`: motions as files that other programs open."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.export_options import ExportOptions
from flows.export_sources import Source, find_source, motions_of
from flows.one_at_a_time import one_at_a_time
from flows.progress import counter, progress
from pipeline.export.exported import ExportMotion
from pipeline.export.humanml3d_folder import begin_folder, finish_folder, write_folder_motion
from pipeline.export.manifest import Journal, begin_export, sorted_entries, summary
from pipeline.export.names import file_names
from pipeline.export.one_file import skeleton_of, write_file
from pipeline.rejects import Reject
from pipeline.render.out_files import check_out_file, replaced_when_done
from pipeline.skeletons import SKELETONS
from storage.dataset_card import write_card
from storage.export_parquet import forget_other_shards, plan_shards, write_shard

SHOWN_REJECTS = 5
CARD = "README.md"


def export_motions(options: ExportOptions) -> dict[str, Any]:
    """Write the motions asked for.

    Returns:
        `format`, `out`, `exported`, `rejected` (id and reason of each), `dropped` (left out since a
        curator dropped them), `kept` (written by an earlier run of the same export), `seconds`,
        and what the format adds.

    Raises:
        ValueError: Wrong options, nothing to export, or a place that cannot be written.
        StoreError: The store cannot be read.
    """
    if options.to_file:
        check_out_file(options.out, f".{options.format}")
        if options.out.exists() and not options.overwrite:
            raise ValueError(f"{options.out} is there already: give another name, or --overwrite")
    source = find_source(options)
    if options.to_file:
        found = _one_file(options, source)
    else:
        with one_at_a_time(options.out, "another export", leave_lock=False):
            write = _data_set if options.format == "hf" else _folder
            found = write(options, source)
    said = {"format": options.format, "out": str(options.out), "dropped": source.left_out}
    return {**said, **found}


def lines_of(data: Mapping[str, Any]) -> list[str]:
    """What to print."""
    lines = [f"{data['out']}: motions {data['exported']}, seconds {data['seconds']:.1f}"]
    if data["kept"]:
        lines.append(f"{data['kept']} of them were there already")
    if "deviation_mean_mm" in data:
        lines.append(
            f"joints are {data['deviation_mean_mm']:.1f} mm in the mean from the motions', "
            f"{data['deviation_max_mm']:.1f} mm at most (bones of constant length)"
        )
    if data.get("not_kept_by_loaders"):
        lines.append(
            f"{data['not_kept_by_loaders']} are shorter or longer than HumanML3D's loaders take"
        )
    if data["dropped"]:
        lines.append(f"{data['dropped']} left out: a curator dropped them (--include-dropped)")
    rejected = data["rejected"]
    if rejected:
        lines.append(f"{len(rejected)} not exported:")
        lines += [f"  {item['id']}: {item['reason']}" for item in rejected[:SHOWN_REJECTS]]
        if rejected[SHOWN_REJECTS:]:
            lines.append(f"  ... see {data['manifest']}")
    return lines


def _one_file(options: ExportOptions, source: Source) -> dict[str, Any]:
    if len(source.keys) != 1:
        raise ValueError(
            f"{len(source.keys)} motions are asked for and {options.out} is one file: give a folder"
        )
    [(key, motion)] = motions_of(source, source.keys)
    try:
        facts = write_file(motion, options.out, options.file_options())
    except ValueError as error:
        raise ValueError(f"motion '{key}' cannot be exported: {error}") from error
    entry = _entry(key, motion, options.out.name, facts)
    return {**summary({key: entry}), "rejected": [], "kept": 0, "motions": [entry]}


def _folder(options: ExportOptions, source: Source) -> dict[str, Any]:
    """A file a motion, or HumanML3D's layout, with a manifest."""
    names = file_names(source.labels, source.mirrored)
    named = dict(zip(source.keys, source.labels, strict=True))
    journal = begin_export(options.out, _request(options, source), overwrite=options.overwrite)
    kept = _kept(options.out, journal)
    is_layout = options.format == "npz"
    writer = _LayoutWriter(options, source, journal) if is_layout else _FileWriter(options)
    writer.begin()
    todo = tuple(key for key in source.keys if key not in kept)
    rejected: list[Reject] = []
    with counter(len(todo), "export", "motion") as bar:
        for key, motion in motions_of(source, todo):
            bar.update()
            try:
                file, facts = writer.write(motion, names[named[key]])
            except ValueError as error:
                rejected.append(Reject(key, str(error)))
                continue
            journal.note(key, _entry(key, motion, file, facts))
    if journal.done:
        writer.finish(journal)
    found = {
        **summary(journal.done),
        "rejected": [{"id": item.name, "reason": item.reason} for item in rejected],
        **writer.facts(journal),
    }
    manifest = journal.finish({**found, "motions": sorted_entries(journal.done)})
    return {**found, "kept": len(kept), "manifest": str(manifest)}


def _data_set(options: ExportOptions, source: Source) -> dict[str, Any]:
    """Parquet shards and a card; killed, it goes on with the shard it was at."""
    if source.store is None or source.selection is None:
        raise ValueError("--format hf takes motions of a --store")
    request = _request(options, source)
    journal = begin_export(options.out, request, overwrite=options.overwrite)
    kept = _kept(options.out, journal)
    shards = plan_shards(source.store, source.selection)
    for shard in progress([s for s in shards if s.name not in kept], "export", "shard"):
        written = write_shard(source.store, shard, options.out, source.selection.decided)
        journal.note(shard.name, written)
    forget_other_shards(options.out, shards)
    entries = sorted_entries(journal.done)
    card = write_card(
        options.out.name, source.selection, entries, options.licence_name, source.request["tables"]
    )
    with replaced_when_done(options.out / CARD, ".md") as unfinished:
        unfinished.write_text(card, encoding="utf-8")
    found = {
        "exported": len(source.keys),
        "seconds": source.selection.seconds,
        "rejected": [],
    }
    manifest = journal.finish({**found, "motions": entries})
    files = [entry["file"] for entry in entries]
    there = sum(shard.motions for shard in shards if shard.name in kept)
    return {**found, "kept": there, "manifest": str(manifest), "shards": files}


class _FileWriter:
    """Each motion a file of its own."""

    def __init__(self, options: ExportOptions) -> None:
        self.folder, self.how = options.out, options.file_options()

    def begin(self) -> None:
        """Nothing is to be made."""

    def write(self, motion: ExportMotion, name: str) -> tuple[str, dict[str, Any]]:
        """Write one; returns the file's name and the facts."""
        file = f"{name}{self.how.suffix}"
        return file, write_file(motion, self.folder / file, self.how)

    def finish(self, journal: Journal) -> None:
        """Nothing is to be added."""

    def facts(self, journal: Journal) -> dict[str, Any]:
        """Nothing more to say."""
        return {}


class _LayoutWriter:
    """HumanML3D's own layout."""

    def __init__(self, options: ExportOptions, source: Source, journal: Journal) -> None:
        self.folder = options.out
        held = next((entry.get("joint_set") for entry in journal.done.values()), None)
        self.joint_set = source.selection.rows[0]["joint_set"] if source.selection else held
        """Of the folder, as an earlier run left it too; None: the first motion's."""

    def begin(self) -> None:
        """Make the folders."""
        begin_folder(self.folder)

    def write(self, motion: ExportMotion, name: str) -> tuple[str, dict[str, Any]]:
        """Write the files of one; returns the first one's name and the facts."""
        if skeleton_of(motion).name != (self.joint_set or motion.joint_set):
            raise ValueError(
                f"its skeleton is {motion.joint_set}, the folder's is {self.joint_set}: export it "
                "to a folder of its own"
            )
        facts = write_folder_motion(motion, self.folder, name)
        self.joint_set = motion.joint_set
        said = {"name": name, "joint_set": motion.joint_set}
        return f"new_joint_vecs/{name}.npy", {**facts, **said}

    def finish(self, journal: Journal) -> None:
        """Write lists and statistics."""
        splits = {entry["name"]: entry["split"] for entry in journal.done.values()}
        if self.joint_set is not None:
            finish_folder(self.folder, splits, SKELETONS[self.joint_set])

    def facts(self, journal: Journal) -> dict[str, Any]:
        """How many the data set's loaders will leave out."""
        odd = [entry for entry in journal.done.values() if not entry["kept_by_loaders"]]
        return {"not_kept_by_loaders": len(odd)}


def _kept(folder: Path, journal: Journal) -> frozenset[str]:
    """What an earlier run wrote and is still there; the rest is forgotten."""
    gone = [key for key, entry in journal.done.items() if not (folder / entry["file"]).is_file()]
    for key in gone:
        del journal.done[key]
    return frozenset(journal.done)


def _request(options: ExportOptions, source: Source) -> dict[str, Any]:
    return {**options.how(), **source.request}


def _entry(key: str, motion: ExportMotion, file: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": key,
        "file": file,
        "captions": list(motion.captions),
        "action": motion.action,
        "split": motion.split,
        **facts,
        "lineage": dict(motion.lineage),
    }
