"""`crossdiff relabel`: a data set's stored views lifted anew, as a new version of the store."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from flows.engines import checkpoint_for
from flows.label_columns import label_columns
from flows.progress import counter
from models.checkpoint import Checkpoint
from models.checkpoint_id import checkpoint_id, resolve_checkpoint
from models.lifting.label_config import LabelConfig, config_of, relabelled_settings
from models.lifting.pseudo_label import ViewFacts, label_stored_view, picture_shown
from pipeline.body_definition import where_measured
from pipeline.carriers import Pose2D
from pipeline.pose.protocol import PersonTrack
from pipeline.reasons import PipelineError
from pipeline.second_opinion import SecondOpinion, opinion_during
from pipeline.stopwatch import Stopwatch
from storage.catalog import count_without_opinion, mean_reprojection
from storage.errors import StoreError
from storage.label_tracks import key_of, tracks_of
from storage.lineage import Recipe, make_lineage
from storage.plain_motions import count_unscored
from storage.recipes import all_recipes
from storage.relabelling import (
    Relabelling,
    RelabelReport,
    begin_relabelling,
    commit_labels,
    keep_labels,
    missing_labels,
    read_motions,
)
from storage.rows import MotionRow, TrackRow
from storage.schemas import TRACKS
from storage.store import Store, create_store, open_store
from storage.versions import newest_version


@dataclass(frozen=True)
class RelabelOptions:
    """What to label anew; see `crossdiff relabel --help`."""

    store: str
    dataset: str
    checkpoint: Path
    one_euro: bool = False
    label_2d_only: bool = False
    shard_size: int = 32
    """Motions labelled between two writes: what a kill costs."""
    device: str = "auto"
    preset: Literal["same", "paper", "wild"] = "same"
    """How views become 3D."""


def run_relabel(options: RelabelOptions) -> tuple[dict[str, Any], list[str]]:
    """Lift the stored views of a data set with another checkpoint and replace its labels.

    Killed anywhere, the same call goes on. Nothing changes before all labels are there.

    Returns:
        The facts for `--json`, and lines to print.

    Raises:
        ValueError: A wrong option, or a motion that the checkpoint cannot lift.
        StoreError: The store cannot be used, has no such data set, or was labelled meanwhile.
        CheckpointError: The checkpoint cannot be used.
    """
    watch = Stopwatch()
    if options.shard_size < 1:
        raise ValueError(f"--shard-size must be at least 1, not {options.shard_size}")
    # Once: another checkpoint may be promoted while this works.
    options = replace(options, checkpoint=resolve_checkpoint(options.checkpoint))
    store = open_store(options.store)
    before = all_recipes(store).get(options.dataset)
    if before is None:
        raise StoreError(f"{store.location} has no data set '{options.dataset}'")
    settings = relabelled_settings(
        before["config"],
        one_euro=options.one_euro,
        preset=None if options.preset == "same" else options.preset,
    )
    recipe = Recipe(
        estimator_id=before["estimator_id"],
        checkpoint_id=checkpoint_id(options.checkpoint),
        config=settings,
    )
    error_before = mean_reprojection(store, options.dataset)
    work = begin_relabelling(
        store,
        options.dataset,
        recipe,
        make_lineage(recipe, options),
        label_2d_only=options.label_2d_only,
    )
    if work is not None:
        create_store(options.store)  # adds what a store of an older version of this package lacks
    report = None if work is None else _label_and_commit(work, options)
    return _told(options, store, recipe, before, report, error_before, watch)


def _label_and_commit(work: Relabelling, options: RelabelOptions) -> RelabelReport:
    report, config = None, config_of(work.recipe.config)
    people = work.store.snapshot(TRACKS.name)
    while report is None:  # again when an ingest has brought motions meanwhile
        shards = missing_labels(work, options.shard_size)
        with counter(sum(map(len, shards)), "relabel", "motion") as bar:
            for shard in shards:
                checkpoint = checkpoint_for(options.checkpoint, options.device)
                rows, labelled = read_motions(shard), []
                asked = [row for row in rows if config.second_opinion or _lacks_picture(row)]
                tracks = tracks_of(people, work.dataset, asked)
                for row in rows:
                    track = tracks.get(key_of(row))
                    labelled.append(_labelled(row, track, checkpoint, config, options))
                    bar.update()
                keep_labels(work, labelled)
        report = commit_labels(work)
    return report


def _labelled(
    row: MotionRow,
    track: TrackRow | None,
    checkpoint: Checkpoint,
    config: LabelConfig,
    options: RelabelOptions,
) -> MotionRow:
    if row.joint_set != checkpoint.skeleton.name:
        raise ValueError(
            f"motion {row.motion_id} is of {row.joint_set}, but {options.checkpoint} lifts "
            f"{checkpoint.skeleton.name}: choose a checkpoint of that skeleton"
        )
    try:
        label = label_stored_view(
            row.view2d,
            row.joint_mask,
            checkpoint,
            config,
            confidence=row.joint_confidence,
            facts=_facts(row, track),
            opinion=_opinion(row, track, config),
        )
    except PipelineError as error:
        raise ValueError(
            f"{options.checkpoint} cannot lift motion {row.motion_id}: {error.detail}; nothing "
            "was changed"
        ) from error
    return replace(
        row,
        joints3d=label.joints3d,
        features3d=label.features3d,
        feature_mask3d=label.mask3d,
        **label_columns(label),
    )


def _facts(row: MotionRow, track: TrackRow | None) -> ViewFacts:
    """What is known beside the joints; what perspective does is asked once, of the first label."""
    picture = None
    if _lacks_picture(row) and track is not None and track.pixel_aspect is not None:
        picture = picture_shown((track.frame_width, track.frame_height), track.pixel_aspect)
    return ViewFacts(
        row.px_per_metre,
        picture,
        camera_quality=row.camera_quality,
        perspective_m=row.perspective_error,
    )


def _lacks_picture(row: MotionRow) -> bool:
    """Whether what perspective does was never judged, as of motions that were 2D alone."""
    return row.perspective_error is None


def _opinion(row: MotionRow, track: TrackRow | None, config: LabelConfig) -> SecondOpinion | None:
    """The 2D estimator's own 3D, where it has one and the store has kept it."""
    if track is None or track.world_joints is None or row.start_s is None:
        return None
    size = (track.frame_width, track.frame_height)
    pose = Pose2D(track.joint_set, track.joints, track.confidence, track.times, size)
    person = PersonTrack(pose, 0, len(track.times), track.world_joints)
    if config.body_joints:
        person = where_measured(person)
    return opinion_during(person, row.start_s, row.n_frames)


def _told(
    options: RelabelOptions,
    store: Store,
    recipe: Recipe,
    before: dict[str, Any],
    report: RelabelReport | None,
    error_before: float | None,
    watch: Stopwatch,
) -> tuple[dict[str, Any], list[str]]:
    version = newest_version(store.location) if report is None else report.version
    data = {
        "store": options.store,
        "dataset": options.dataset,
        "changed": report is not None,
        "motions": 0 if report is None else report.motions,
        "version": version.videos,
        "checkpoint_id": recipe.checkpoint_id,
        "checkpoint_id_before": before["checkpoint_id"],
        "recipe_id": recipe.recipe_id,
        "recipe_id_before": before["recipe_id"],
        "reprojection_m_before": error_before,
        "reprojection_m": mean_reprojection(store, options.dataset),
        "seconds": watch.seconds,
    }
    scored = bool(recipe.config.get("score"))
    data["unscored"] = count_unscored(store, options.dataset) if scored else None
    fused = bool(recipe.config.get("second_opinion"))
    data["without_opinion"] = count_without_opinion(store, options.dataset) if fused else None
    if report is None:
        return data, [
            f"nothing to do: the labels of {options.dataset} are by {recipe.checkpoint_id} already"
        ]
    smoothing = ", One-Euro" if options.one_euro else ""
    lines = [
        f"{report.motions} motions of {options.dataset} labelled anew by "
        f"{recipe.checkpoint_id}{smoothing}; before: {before['checkpoint_id'] or '2D only'}",
        f"mean reprojection error {_metres(error_before)} -> {_metres(data['reprojection_m'])}",
        f"store version {version.videos}; earlier versions keep the earlier labels",
    ]
    if data["unscored"]:
        lines.append(
            f"{data['unscored']} motions have no score: nobody measured how far such labels are "
            "off, or the store lacks what the score rests on"
        )
    if data["without_opinion"]:
        lines.append(
            f"{data['without_opinion']} motions have no second opinion in them: the 2D estimator "
            "has no 3D of its own, or an older version did not store it"
        )
    return data, lines


def _metres(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f} m"
