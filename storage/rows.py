"""Rows as frozen dataclasses with numpy arrays: what goes in and what a reader gets back."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

import numpy as np

from pipeline.arrays import Bool, Float32, Float64
from storage.columns import TableSpec
from storage.lineage import Lineage
from storage.schemas import MOTIONS, TRACKS, VIDEOS

OK, FAILED = "ok", "failed"
PSEUDO, MOCAP = "pseudo", "mocap"
CAMERA_FIELDS = 4
"""Log scale, angle, shift in x and in y."""
VIEWS = 4
"""Projected views of a motion whose 3D is known."""
HASH_LENGTH_IN_ID = 16
"""Hex digits of the video's hash in a motion id: 64 bits, no collision in any real collection."""
NAME_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Data set and shard names become folder and file names on every kind of store."""


def _check_shape(name: str, have: tuple[int, ...], want: tuple[int, ...]) -> None:
    if have != want:
        raise ValueError(f"{name} is {have}, expected {want}")


def check_name(what: str, name: str) -> None:
    """Refuse a data set or shard name that could not be a folder name everywhere.

    Raises:
        ValueError: The name has other characters than letters, digits, dot, dash, underscore.
    """
    if not NAME_RULE.fullmatch(name):
        raise ValueError(
            f"{what} {name!r} must start with a letter or digit and hold at most 100 letters, "
            "digits, dots, dashes and underscores"
        )


def motion_id(dataset: str, video_hash: str, shot: int, track: int, start_frame: int = 0) -> str:
    """The name of a motion: the same for the same person in the same video, in every run."""
    return f"{dataset}-{video_hash[:HASH_LENGTH_IN_ID]}-s{shot}-t{track}-f{start_frame}"


@dataclass(frozen=True, kw_only=True)
class VideoRow:
    """One source file seen; units and meanings are those of `storage.schemas.VIDEOS`."""

    spec: ClassVar[TableSpec] = VIDEOS

    dataset: str
    video_hash: str
    path: str
    name: str
    lineage: Lineage
    status: str = OK
    reason: str | None = None
    """A `pipeline.reasons.Reason` value."""
    detail: str | None = None
    aliases: tuple[str, ...] = ()
    action: str | None = None
    group: str | None = None
    clip: str | None = None
    size_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    rotation_deg: int | None = None
    fps: float | None = None
    frames_header: int | None = None
    frames_decoded: int | None = None
    duration_s: float | None = None
    decoder: str | None = None
    warnings: tuple[str, ...] = ()
    motions: int = 0
    chosen_person: str | None = None
    seconds_decode: float | None = None
    seconds_pose: float | None = None
    seconds_normalise: float | None = None
    seconds_lift: float | None = None
    shard_id: str | None = None
    """Filled in by the commit."""
    ingested_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        if self.status not in (OK, FAILED):
            raise ValueError(f"status is {self.status!r}, expected {OK!r} or {FAILED!r}")
        if (self.status == FAILED) != (self.reason is not None):
            raise ValueError(f"status {self.status!r} does not go with reason {self.reason!r}")
        if self.status == FAILED and self.motions:
            raise ValueError(f"a failed video cannot have {self.motions} motions")


@dataclass(frozen=True, kw_only=True)
class TrackRow:
    """One person in one shot; units and meanings are those of `storage.schemas.TRACKS`."""

    spec: ClassVar[TableSpec] = TRACKS

    dataset: str
    video_hash: str
    shot: int
    track: int
    joint_set: str
    frame_width: int
    frame_height: int
    times: Float64
    """(T,) seconds in the video, strictly increasing."""
    joints: Float32
    """(T, J, 2) pixels, NaN where nothing was detected."""
    confidence: Float32
    """(T, J) in [0, 1]."""
    lineage: Lineage
    world_joints: Float32 | None = None
    """(T, J, 3) metres, about the hips, x right, y down, z away from the camera: the 2D
    estimator's own 3D; None where it has none."""
    pixel_aspect: float | None = None
    """Width of a stored pixel over its height."""
    chosen: bool = False
    """Was to become motion; `reason` says why none came of it."""
    score: float | None = None
    reason: str | None = None
    """Why a person who was to become motion did not: a `pipeline.reasons.Reason` value."""
    person_score: float | None = None
    score_size: float | None = None
    score_motion: float | None = None
    score_centrality: float | None = None
    score_duration: float | None = None
    camera: Float32 | None = None
    """(T, 4) log scale, angle in radians, shift in pixels: background of the shot's first frame to
    this one."""
    camera_quality: float | None = None
    camera_used: bool | None = None
    clean_joint_set: str | None = None
    clean_fps: float | None = None
    clean_start_s: float | None = None
    clean_joints: Float32 | None = None
    """(T', J', 2) pixels, at `clean_fps`."""
    clean_mask: Bool | None = None
    """(T', J') True where the joint was seen or a short gap was bridged."""
    shard_id: str | None = None

    def __post_init__(self) -> None:
        t, j = self.confidence.shape
        _check_shape("joints", self.joints.shape, (t, j, 2))
        _check_shape("times", self.times.shape, (t,))
        if self.world_joints is not None:
            _check_shape("world_joints", self.world_joints.shape, (t, j, 3))
        if t == 0:
            raise ValueError("a track needs at least one frame")
        if self.camera is not None:
            _check_shape("camera", self.camera.shape, (t, CAMERA_FIELDS))
        if (self.clean_joints is None) != (self.clean_mask is None):
            raise ValueError("clean_joints and clean_mask come together")
        if self.clean_joints is not None and self.clean_mask is not None:
            _check_shape("clean_mask", self.clean_mask.shape, self.clean_joints.shape[:2])

    @property
    def start_s(self) -> float:
        """Time of the first frame in the video, seconds."""
        return float(self.times[0])

    @property
    def end_s(self) -> float:
        """Time of the last frame in the video, seconds."""
        return float(self.times[-1])


@dataclass(frozen=True, kw_only=True)
class MotionRow:
    """One training sample; units and meanings are those of `storage.schemas.MOTIONS`."""

    spec: ClassVar[TableSpec] = MOTIONS

    motion_id: str
    dataset: str
    fps: float
    view2d: Float32
    """(T, J, 2) projected view, root-relative to frame 0, y up."""
    features2d: Float32
    """(T-1, D2)."""
    joint_mask: Bool
    """(T, J)."""
    lineage: Lineage
    joints3d: Float32 | None = None
    """(T, J, 3) metres, y up; None when only 2D is known."""
    features3d: Float32 | None = None
    """(T-1, D3)."""
    joint_confidence: Float32 | None = None
    """(T, J) the 2D estimator's."""
    visible: str | None = None
    """full, upper or part."""
    feature_mask3d: Bool | None = None
    """(T-1, D3)."""
    feature_mask2d: Bool | None = None
    """(T-1, D2)."""
    joint_set: str = "humanml3d22"
    source_kind: str = PSEUDO
    video_hash: str | None = None
    """None for motion capture."""
    shot: int | None = None
    track: int | None = None
    start_frame: int = 0
    start_s: float | None = None
    px_per_metre: float | None = None
    view_azimuth_deg: float | None = None
    view_elevation_deg: float | None = None
    view_name: str | None = None
    perspective_error: float | None = None
    camera_quality: float | None = None
    person_score: float | None = None
    views2d: Float32 | None = None
    """(4, T, J, 2) front, left, back, right; None when only `view2d` is known."""
    features2d_views: Float32 | None = None
    """(4, T-1, D2)."""
    captions: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    """One text per caption, `word/POS` joined by spaces; empty when not known."""
    caption_embeddings: Float32 | None = None
    """(C, D_text)."""
    text_encoder: str | None = None
    mirrored: bool | None = None
    source: str | None = None
    action: str | None = None
    split: str | None = None
    quality_reprojection_error: float | None = None
    quality_coverage: float | None = None
    quality_mean_confidence: float | None = None
    quality_mask_share: float | None = None
    quality_foot_skating: float | None = None
    quality_jitter: float | None = None
    quality_spread: float | None = None
    second_opinion: float | None = None
    label_score: float | None = None
    label_error: float | None = None
    joint_error: Float32 | None = None
    """(J,) metres."""
    shard_id: str | None = None

    def __post_init__(self) -> None:
        t, j = self.joint_mask.shape
        _check_shape("view2d", self.view2d.shape, (t, j, 2))
        _check_shape("features2d", self.features2d.shape[:1], (t - 1,))
        if self.joint_confidence is not None:
            _check_shape("joint_confidence", self.joint_confidence.shape, (t, j))
        if self.joint_error is not None:
            _check_shape("joint_error", self.joint_error.shape, (j,))
        if (self.joints3d is None) != (self.features3d is None):
            raise ValueError("joints3d and features3d come together; both None means 2D only")
        if self.joints3d is not None and self.features3d is not None:
            _check_shape("joints3d", self.joints3d.shape, (t, j, 3))
            _check_shape("features3d", self.features3d.shape[:1], (t - 1,))
        self._check_mask("feature_mask3d", self.feature_mask3d, self.features3d)
        self._check_mask("feature_mask2d", self.feature_mask2d, self.features2d)
        if self.source_kind not in (PSEUDO, MOCAP):
            raise ValueError(f"source_kind is {self.source_kind!r}, expected pseudo or mocap")
        if (self.source_kind == PSEUDO) != (self.video_hash is not None):
            raise ValueError(f"a {self.source_kind} motion with video_hash {self.video_hash!r}")
        self._check_views(t, j)
        self._check_text()

    def _check_views(self, t: int, j: int) -> None:
        if (self.views2d is None) != (self.features2d_views is None):
            raise ValueError("views2d and features2d_views come together")
        if self.views2d is not None and self.features2d_views is not None:
            _check_shape("views2d", self.views2d.shape, (VIEWS, t, j, 2))
            want = (VIEWS, *self.features2d.shape)
            _check_shape("features2d_views", self.features2d_views.shape, want)

    def _check_text(self) -> None:
        if self.tokens:
            _check_shape("tokens", (len(self.tokens),), (len(self.captions),))
        if (self.caption_embeddings is None) != (self.text_encoder is None):
            raise ValueError("caption_embeddings and text_encoder come together")
        if self.caption_embeddings is not None:
            rows = self.caption_embeddings.shape[:1]
            _check_shape("caption_embeddings", rows, (len(self.captions),))

    @staticmethod
    def _check_mask(name: str, mask: Bool | None, features: Float32 | None) -> None:
        if mask is None:
            return
        if features is None:
            raise ValueError(f"{name} without its features")
        _check_shape(name, mask.shape, features.shape)

    @property
    def n_frames(self) -> int:
        """T."""
        return int(np.shape(self.joint_mask)[0])


Row = VideoRow | TrackRow | MotionRow


@dataclass(frozen=True)
class ShardRows:
    """All rows that a group of clips gave: what one commit brings. Order does not matter."""

    dataset: str
    shard_id: str
    """Names the commit; a repeated shard with this id adds nothing."""
    recipe_id: str
    videos: Sequence[VideoRow] = ()
    tracks: Sequence[TrackRow] = ()
    motions: Sequence[MotionRow] = ()

    def __post_init__(self) -> None:
        check_name("dataset", self.dataset)
        check_name("shard_id", self.shard_id)
        hashes = {row.video_hash for row in self.videos}
        everything: list[Row] = [*self.videos, *self.tracks, *self.motions]
        for row in everything:
            if row.dataset != self.dataset:
                raise ValueError(f"a row of dataset {row.dataset!r} in a shard of {self.dataset!r}")
            if row.lineage.recipe_id != self.recipe_id:
                raise ValueError(f"a row of recipe {row.lineage.recipe_id} in a shard of another")
            if row.video_hash is not None and row.video_hash not in hashes:
                raise ValueError(f"rows of video {row.video_hash} without its row in videos")
        self._check_counts()

    def _check_counts(self) -> None:
        made = [row.video_hash for row in self.motions]
        for video in self.videos:
            if made.count(video.video_hash) != video.motions:
                raise ValueError(
                    f"{video.name} says {video.motions} motions, the shard holds "
                    f"{made.count(video.video_hash)}"
                )

    def rows(self, table: str) -> Sequence[Row]:
        """The shard's rows of one table."""
        by_table: dict[str, Sequence[Row]] = {
            VIDEOS.name: self.videos,
            TRACKS.name: self.tracks,
            MOTIONS.name: self.motions,
        }
        return by_table[table]
