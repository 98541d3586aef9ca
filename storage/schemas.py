"""The tables: every column with its meaning, unit and shape. Writers and readers use these alone.

T is frames, J joints, D3 and D2 the widths of a 3D and a 2D feature row (263, 134 for 22 joints).
A new table is one more `TableSpec` in `TABLES`; a new column is one more line (nullable, so that
rows written earlier read as null).
"""

from storage.columns import (
    BOOL,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    STRING,
    TIMESTAMP,
    Column,
    TableSpec,
    list_of,
)

DATASET = Column("dataset", STRING, "Name of the data set; the partition.", required=True)
VIDEO_HASH = Column("video_hash", STRING, "SHA-256 of the video file, hex.", required=True)
SHOT = Column("shot", INT32, "Number of the shot in the video, from 0.", required=True)
TRACK = Column("track", INT32, "Number of the person's track in the shot, from 0.", required=True)
ACTION = Column("action", STRING, "Action class, from the folder, the list or the labels.")
SHARD = Column("shard_id", STRING, "The commit that brought the row.", volatile=True)

LINEAGE = (
    Column("source_hash", STRING, "SHA-256 of the source the row was computed from, hex."),
    Column(
        "estimator_id", STRING, "The 2D pose estimator: backend, model, weights.", required=True
    ),
    Column("checkpoint_id", STRING, "The weights that lifted 2D to 3D; null when none did."),
    Column("recipe_id", STRING, "Hash of the data set's recipe.", required=True),
    Column("code_version", STRING, "Version of this package.", required=True, volatile=True),
    Column("code_commit", STRING, "Git commit, when run from a checkout.", volatile=True),
    Column("config_hash", STRING, "SHA-256 of config_json.", required=True, volatile=True),
    Column("config_json", STRING, "The run's whole configuration.", required=True, volatile=True),
    Column("created_at", TIMESTAMP, "When the row was made, UTC.", required=True, volatile=True),
)

VIDEOS = TableSpec(
    name="videos",
    doc="One row per source file seen. The row is written last: it says that the file is done.",
    key=("dataset", "video_hash"),
    unit=("video_hash",),
    rows_per_group=4096,
    columns=(
        DATASET,
        VIDEO_HASH,
        Column("path", STRING, "Where the file lay when it was read.", required=True),
        Column("name", STRING, "Path relative to the folder that was ingested.", required=True),
        Column("aliases", list_of(STRING), "Other files of the run with the same content."),
        ACTION,
        Column("group", STRING, "UCF101 group: clips cut from the same recording."),
        Column("clip", STRING, "UCF101 clip number inside the group."),
        Column("size_bytes", INT64, "Size of the file.", "bytes"),
        Column("width", INT32, "Width as displayed, rotation applied.", "pixels"),
        Column("height", INT32, "Height as displayed, rotation applied.", "pixels"),
        Column("rotation_deg", INT32, "Clockwise rotation that was applied.", "degrees"),
        Column("fps", FLOAT64, "Measured frame rate.", "frames/s"),
        Column("frames_header", INT64, "Frames that the header claims; may lie.", "frames"),
        Column("frames_decoded", INT64, "Frames that really came out.", "frames"),
        Column("duration_s", FLOAT64, "Length by frame times.", "s"),
        Column("decoder", STRING, "Which decoder gave the frames: decord or opencv."),
        Column("warnings", list_of(STRING), "Codes of what was noticed but survived."),
        Column("status", STRING, "ok or failed.", required=True),
        Column("reason", STRING, "Reason code of a failure; null when ok."),
        Column("detail", STRING, "One sentence on the failure; null when ok."),
        Column("motions", INT32, "Rows of the motions table from this file.", required=True),
        Column("chosen_person", STRING, "Which person was kept, and why."),
        Column("seconds_decode", FLOAT32, "Time spent reading.", "s", volatile=True),
        Column("seconds_pose", FLOAT32, "Time spent in the 2D estimator.", "s", volatile=True),
        Column("seconds_normalise", FLOAT32, "Time from joints to view.", "s", volatile=True),
        Column("seconds_lift", FLOAT32, "Time spent lifting.", "s", volatile=True),
        SHARD,
        *LINEAGE,
        Column("ingested_at", TIMESTAMP, "When ingested, UTC.", required=True, volatile=True),
    ),
)

TRACKS = TableSpec(
    name="tracks",
    doc="One row per person in one shot of one video: 2D joints as detected, and as cleaned.",
    key=("dataset", "video_hash", "shot", "track", "estimator_id"),
    unit=("video_hash",),
    columns=(
        DATASET,
        VIDEO_HASH,
        SHOT,
        TRACK,
        Column("joint_set", STRING, "Names the detector's joints.", required=True),
        Column("frame_width", INT32, "Width of the picture.", "pixels", required=True),
        Column("frame_height", INT32, "Height of the picture.", "pixels", required=True),
        Column("pixel_aspect", FLOAT64, "Width of a stored pixel over its height."),
        Column("start_s", FLOAT64, "Time of the first frame in the video.", "s", required=True),
        Column("end_s", FLOAT64, "Time of the last frame in the video.", "s", required=True),
        Column(
            "chosen",
            BOOL,
            "This person was to become motion: chosen, and none came of it, where reason is set.",
            required=True,
        ),
        Column("score", FLOAT32, "size x coverage x confidence that chose the person."),
        Column("reason", STRING, "Why a person who was to become motion did not; else null."),
        Column("person_score", FLOAT32, "How likely this person performs the action, 0 to 1."),
        Column("score_size", FLOAT32, "Its part: size in the picture."),
        Column("score_motion", FLOAT32, "Its part: movement relative to the body."),
        Column("score_centrality", FLOAT32, "Its part: nearness to the picture's middle."),
        Column("score_duration", FLOAT32, "Its part: share of the shot with the person."),
        Column("times", list_of(FLOAT64), "(T,) frame times in the video.", "s", required=True),
        Column("joints", FLOAT32, "Detected joints, NaN if none.", "pixels", "T, J, 2", True),
        Column("confidence", FLOAT32, "The detector's, 0 to 1.", "", "T, J", True),
        Column(
            "world_joints",
            FLOAT32,
            "The detector's own 3D, about the hips: x right, y down, z away; NaN if none. Null: it "
            "has none, or the row is older than the column.",
            "m",
            "T, J, 3",
        ),
        Column(
            "camera",
            FLOAT32,
            "Camera motion per frame: log scale, angle (rad), shift x and y (pixels), taking a "
            "background point of the shot's first frame to this one.",
            "",
            "T, 4",
        ),
        Column("camera_quality", FLOAT32, "How sure the camera motion is, 0 to 1."),
        Column("camera_used", BOOL, "Camera motion was taken out of the motions."),
        Column("clean_joint_set", STRING, "Names the cleaned joints."),
        Column("clean_fps", FLOAT32, "Frame rate of the cleaned joints.", "frames/s"),
        Column("clean_start_s", FLOAT64, "Time of the first cleaned frame in the video.", "s"),
        Column("clean_joints", FLOAT32, "Cleaned joints.", "pixels", "T, J, 2"),
        Column("clean_mask", BOOL, "Cleaned joint was seen or bridged.", "", "T, J"),
        SHARD,
        *LINEAGE,
    ),
)

MOTIONS = TableSpec(
    name="motions",
    doc="One row per training sample: 3D (or null when only 2D is known), its 2D view, captions.",
    key=("motion_id",),
    unit=("video_hash", "motion_id"),
    columns=(
        Column("motion_id", STRING, "Data set, video, shot and track in one name.", required=True),
        DATASET,
        Column("video_hash", STRING, "SHA-256 of the video, hex; null for motion capture."),
        Column("shot", INT32, "Number of the shot in the video."),
        Column("track", INT32, "Number of the person's track in the shot."),
        Column("start_frame", INT64, "First frame in the track's cleaned joints.", "frames"),
        Column("start_s", FLOAT64, "Time of the first frame in the video.", "s"),
        Column("n_frames", INT32, "T.", "frames", required=True),
        Column("fps", FLOAT32, "Frame rate.", "frames/s", required=True),
        Column("source_kind", STRING, "pseudo (lifted from video) or mocap.", required=True),
        Column("joint_set", STRING, "Names the joints, e.g. humanml3d22.", required=True),
        Column("joints3d", FLOAT32, "Joints, y up; null when 2D only.", "m", "T, J, 3"),
        Column("features3d", FLOAT32, "3D representation, unnormalised.", "", "T-1, D3"),
        Column("view2d", FLOAT32, "Projected view.", "canonical skeleton", "T, J, 2", True),
        Column("features2d", FLOAT32, "2D representation, unnormalised.", "", "T-1, D2", True),
        Column("joint_mask", BOOL, "Joint is known in the view.", "", "T, J", True),
        Column("joint_confidence", FLOAT32, "2D estimator's confidence, cleaned.", "", "T, J"),
        Column("visible", STRING, "Which part of the body was seen: full, upper or part."),
        Column("feature_mask3d", BOOL, "3D feature rests on known joints.", "", "T-1, D3"),
        Column("feature_mask2d", BOOL, "2D feature rests on known joints.", "", "T-1, D2"),
        Column("px_per_metre", FLOAT32, "Scale from the body to the picture.", "pixels/m"),
        Column("view_azimuth_deg", FLOAT32, "Turn of the view about y; 0 front.", "degrees"),
        Column("view_elevation_deg", FLOAT32, "Camera's height over the hips' level.", "degrees"),
        Column("view_name", STRING, "front, left, back, right, or free: none of the four fits."),
        Column("perspective_error", FLOAT32, "What perspective may move joints by.", "m"),
        Column("camera_quality", FLOAT32, "How sure the camera motion is, 0 to 1."),
        Column("person_score", FLOAT32, "How likely this person performs the action, 0 to 1."),
        Column("views2d", FLOAT32, "Front, left, back, right.", "as view2d", "4, T, J, 2"),
        Column("features2d_views", FLOAT32, "As features2d, four views.", "", "4, T-1, D2"),
        Column("captions", list_of(STRING), "Sentences that describe the motion."),
        Column("tokens", list_of(STRING), "Each caption as word/POS words joined by spaces."),
        Column("caption_embeddings", FLOAT32, "Of captions, by text_encoder.", "", "C, D_text"),
        Column("text_encoder", STRING, "Encoder of caption_embeddings; null when there are none."),
        Column("mirrored", BOOL, "Mirror image of the motion whose id lacks the leading M."),
        Column("source", STRING, "Where motion capture came from."),
        ACTION,
        Column("split", STRING, "train, val or test; null when not assigned."),
        Column("quality_reprojection_error", FLOAT32, "Mean 2D distance of the lift.", "m"),
        Column("quality_coverage", FLOAT32, "Share of frames with a detection."),
        Column("quality_mean_confidence", FLOAT32, "Mean detector confidence."),
        Column("quality_mask_share", FLOAT32, "Share of joints not known."),
        Column("quality_foot_skating", FLOAT32, "Speed of feet in contact.", "m/s"),
        Column("quality_jitter", FLOAT32, "Mean jerk of the joints.", "m/s^3"),
        Column("quality_spread", FLOAT32, "How far repeated lifts of the view disagree.", "m"),
        Column("second_opinion", FLOAT32, "Share of frames with the 2D estimator's own 3D in it."),
        Column("label_score", FLOAT32, "Trust in the label by its calibration, 0 to 1."),
        Column("label_error", FLOAT32, "Expected error of the pose, aligned.", "m"),
        Column("joint_error", list_of(FLOAT32), "(J,) expected error of each joint.", "m"),
        SHARD,
        *LINEAGE,
    ),
)

DATASETS = TableSpec(
    name="datasets",
    doc="One row per data set: the recipe that all its rows were made with.",
    key=("dataset",),
    unit=("dataset",),
    rows_per_group=4096,
    columns=(
        DATASET,
        Column("recipe_id", STRING, "Hash of recipe_json.", required=True),
        Column("recipe_json", STRING, "Estimator, checkpoint and settings.", required=True),
        Column("code_version", STRING, "Version of this package.", required=True, volatile=True),
        Column(
            "created_at", TIMESTAMP, "When it was first ingested.", required=True, volatile=True
        ),
    ),
)

STATISTICS = TableSpec(
    name="statistics",
    doc="One row per training split: moments of its features, from which data sets are merged.",
    key=("dataset", "set_hash"),
    unit=("set_hash",),
    rows_per_group=4096,
    columns=(
        DATASET,
        Column("set_hash", STRING, "Names the motions that were measured.", required=True),
        Column("joint_set", STRING, "Names the joints.", required=True),
        Column("motions", INT64, "How many motions were measured.", required=True),
        Column("count3", INT64, "3D feature rows.", "frames", required=True),
        Column("mean3", list_of(FLOAT64), "(D3,) mean of features3d.", required=True),
        Column("variance3", list_of(FLOAT64), "(D3,) variance, not grouped.", required=True),
        Column("count2", INT64, "2D feature rows of the four views.", "frames", required=True),
        Column("mean2", list_of(FLOAT64), "(D2,) mean of features2d_views.", required=True),
        Column("variance2", list_of(FLOAT64), "(D2,) variance, not grouped.", required=True),
        Column("created_at", TIMESTAMP, "When measured, UTC.", required=True, volatile=True),
    ),
)

RUNS = TableSpec(
    name="runs",
    doc="One row per finished run that read this store: what it did, with what, what came out.",
    key=("run_id",),
    unit=("run_id",),
    rows_per_group=4096,
    # A run reads any number of data sets, so they cannot be what its row is filed under.
    partition="kind",
    columns=(
        Column("run_id", STRING, "Names the run.", required=True),
        Column("kind", STRING, "train, finetune or evaluate; the partition.", required=True),
        Column("what", STRING, "What was evaluated or trained, e.g. lift.", required=True),
        Column("status", STRING, "completed or failed.", required=True),
        Column("data", STRING, "The data as they were asked for.", required=True),
        Column("datasets", list_of(STRING), "Data sets that were read.", required=True),
        Column("store_version", INT64, "Version of the store that was read: N of URL@N."),
        Column("table_versions_json", STRING, "Versions of the tables read.", required=True),
        Column("checkpoint_ids", list_of(STRING), "Weights that were used.", required=True),
        Column("config_json", STRING, "The run's whole configuration.", required=True),
        Column("config_hash", STRING, "SHA-256 of config_json.", required=True),
        Column("metrics_json", STRING, "All its scores.", required=True),
        Column("out", STRING, "Folder that it wrote, on the machine that ran it."),
        Column("code_version", STRING, "Version of this package.", required=True),
        Column("code_commit", STRING, "Git commit, when run from a checkout."),
        Column("started_at", TIMESTAMP, "When it began, UTC.", required=True),
        Column("finished_at", TIMESTAMP, "When it ended, UTC.", required=True),
        Column("seconds", FLOAT64, "How long it took.", "s", required=True),
    ),
)

DECISIONS = TableSpec(
    name="decisions",
    doc="One row per curator's decision on a motion; only added to. Of each field the last counts.",
    key=("motion_id", "decided_at", "decided_by", "decision_id"),
    unit=("decision_id",),
    rows_per_group=4096,
    columns=(
        DATASET,
        Column("motion_id", STRING, "The motion that was decided on.", required=True),
        Column("decided_at", TIMESTAMP, "When it was decided, UTC.", required=True),
        Column("decided_by", STRING, "Who decided.", required=True),
        Column("decision_id", STRING, "Hash of the row: said twice, kept once.", required=True),
        Column("verdict", STRING, "keep, drop or needs-work; null when not spoken of."),
        Column("captions", list_of(STRING), "Replace the motion's; null when not spoken of."),
        Column("split", STRING, "train, val or test; null when not spoken of."),
        Column("note", STRING, "The curator's own words."),
        Column("withdraws", list_of(STRING), "Decisions that this one takes back; null: none."),
    ),
)

_ALL = (DATASETS, STATISTICS, RUNS, DECISIONS, TRACKS, MOTIONS, VIDEOS)
TABLES = {spec.name: spec for spec in _ALL}
"""In the order they are created: videos last, since its presence marks a whole store."""
