"""Files of 2D skeletons without video, as mmaction2 and PYSKL publish them: `ucf101_2d.pkl`.

`dict(split={name: [frame_dir]}, annotations=[...])`, or the annotations alone; each one is
`dict(frame_dir, label, img_shape=(height, width), total_frames, keypoint (M, T, 17, 2) pixels,
keypoint_score (M, T, 17))`. The file is read as data (`pipeline.plain_pickle`), arrays only when
they are needed.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.carriers import VideoInfo
from pipeline.pickled_arrays import PickledArray
from pipeline.plain_pickle import read_pickle_with_arrays
from pipeline.pose.joint_sets import COCO17
from pipeline.video.sources import in_unicode

SUFFIXES = frozenset({".pkl", ".pickle"})
DECODER = "skeletons"
"""Stands where the rows of videos name their decoder."""
UCF101_FPS = 25.0
"""The files do not say it; it is UCF101's."""
MOST_PERSONS = 500
MOST_FRAMES = 1_000_000
MOST_PIXELS = 100_000
"""Of a picture's side."""
_FORMAT = "crossdiff-skeletons-1"
"""Part of every content hash: another way to hash is another content."""


@dataclass(frozen=True)
class SkeletonRecord:
    """One annotation: a clip's persons, without its video."""

    name: str
    """Its `frame_dir`."""
    label: str | None = None
    """Number (or name) of its class."""
    size: tuple[int, int] = (0, 0)
    """(width, height) of the picture, pixels."""
    splits: tuple[str, ...] = ()
    """Of the file's splits, those that name it: `train1`, `xsub_val`."""
    keypoints: PickledArray | None = field(default=None, repr=False)
    scores: PickledArray | None = field(default=None, repr=False)
    problem: str | None = None
    """Why it cannot be used, in one sentence."""

    @property
    def frames(self) -> int:
        """T."""
        return self.keypoints.shape[1] if self.keypoints is not None else 0

    @property
    def size_bytes(self) -> int:
        """Of its arrays."""
        arrays = [array for array in (self.keypoints, self.scores) if array is not None]
        return sum(array.size_bytes for array in arrays)


def is_skeleton_file(spec: str | Path) -> bool:
    """Whether a user means a skeleton file: its name ends in .pkl or .pickle."""
    return Path(spec).suffix.lower() in SUFFIXES and "://" not in str(spec)


def list_skeletons(path: Path) -> list[SkeletonRecord]:
    """The annotations of a skeleton file in its order; their arrays stay in the file.

    An annotation that cannot be used is listed with its problem.

    Raises:
        ValueError: No such file, not readable as data alone, or none of its annotations can be
            used; the sentence says which.
    """
    if not path.is_file():
        raise ValueError(f"{path} does not exist: give a skeleton file, a video or a folder.")
    content = read_pickle_with_arrays(path)
    annotations = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(annotations, list) or not annotations:
        raise ValueError(
            f"{path} holds no skeletons: expected a list of annotations, or a dictionary with one "
            "under 'annotations', as mmaction2's ucf101_2d.pkl has it"
        )
    splits = _splits_by_name(content.get("split") if isinstance(content, dict) else None)
    records = [_record(entry, number, splits) for number, entry in enumerate(annotations)]
    if all(record.problem for record in records):
        raise ValueError(
            f"none of the {len(records)} annotations of {path} can be used; "
            f"the first, {records[0].name}: {records[0].problem}"
        )
    return records


def hash_skeletons(path: Path, records: list[SkeletonRecord]) -> Iterator[str]:
    """SHA-256 (hex) of each record's content: picture size, keypoints and scores.

    A record that cannot be used is known by its name and problem instead.

    Raises:
        ValueError: The file has changed since it was listed.
    """
    with path.open("rb") as file:
        for record in records:
            digest = hashlib.sha256(_FORMAT.encode())
            if record.keypoints is None or record.scores is None:
                digest.update(f"unread:{record.name}:{record.problem}".encode())
            else:
                digest.update(repr(record.size).encode())
                for array in (record.keypoints, record.scores):
                    digest.update(f"{array.shape}{array.code}".encode())
                    digest.update(array.read(file).tobytes())
            yield digest.hexdigest()


def skeleton_info(path: Path, record: SkeletonRecord, content_hash: str, fps: float) -> VideoInfo:
    """What is known of a record, in the words of a video's."""
    return VideoInfo(
        path=path,
        content_hash=content_hash,
        size_bytes=record.size_bytes,
        width=record.size[0],
        height=record.size[1],
        rotation_deg=0,
        fps=fps,
        frames_header=None,
        frames_decoded=record.frames,
        duration_s=record.frames / fps,
        decoder=DECODER,
    )


def _record(entry: object, number: int, splits: dict[str, tuple[str, ...]]) -> SkeletonRecord:
    """One annotation, checked."""
    if not isinstance(entry, dict):
        return SkeletonRecord(f"annotation-{number}", problem="it is no dictionary")
    given = entry.get("frame_dir", entry.get("filename"))
    name = in_unicode(given) if isinstance(given, str) and given else f"annotation-{number}"
    label = entry.get("label")
    told = str(label) if isinstance(label, int | str) and not isinstance(label, bool) else None
    keypoints, scores = entry.get("keypoint"), entry.get("keypoint_score")
    size = _size(entry.get("img_shape", entry.get("original_shape")))
    problem = _problem(keypoints, scores, size)
    if problem is None:
        assert isinstance(keypoints, PickledArray) and isinstance(scores, PickledArray)  # noqa: S101
        return SkeletonRecord(name, told, size, splits.get(name, ()), keypoints, scores)
    return SkeletonRecord(name, told, size, splits.get(name, ()), problem=problem)


def _problem(keypoints: object, scores: object, size: tuple[int, int]) -> str | None:
    """Why an annotation cannot be used; None when it can."""
    if not isinstance(keypoints, PickledArray) or not isinstance(scores, PickledArray):
        missing = "keypoint" if not isinstance(keypoints, PickledArray) else "keypoint_score"
        return f"it has no array '{missing}'"
    if len(keypoints.shape) != 4 or keypoints.shape[2:] != (len(COCO17), 2):
        return (
            f"its keypoints are {keypoints.shape}, not (persons, frames, 17, 2): only 2D skeletons "
            "of COCO's 17 joints can be read"
        )
    if scores.shape != keypoints.shape[:3]:
        return f"its scores are {scores.shape}, its keypoints {keypoints.shape}"
    if not (keypoints.is_float and scores.is_float):
        return "its keypoints or scores are not floats"
    if not all(0 < side <= MOST_PIXELS for side in size):
        return "it does not say the picture's size (img_shape: height and width in pixels)"
    return _amount_problem(*keypoints.shape[:2])


def _amount_problem(persons: int, frames: int) -> str | None:
    if persons == 0 or frames == 0:
        return f"it is empty: {persons} persons in {frames} frames"
    if persons > MOST_PERSONS or frames > MOST_FRAMES:
        return f"{persons} persons in {frames} frames are too many"
    return None


def _size(shape: object) -> tuple[int, int]:
    """(width, height) of an `img_shape` (height, width); (0, 0) where it is none."""
    if isinstance(shape, tuple | list) and len(shape) >= 2:
        height, width = shape[:2]
        if type(height) is int and type(width) is int:
            return width, height
    return 0, 0


def _splits_by_name(split: object) -> dict[str, tuple[str, ...]]:
    """Name of a clip -> the splits that name it."""
    out: dict[str, list[str]] = {}
    if isinstance(split, dict):
        for name, members in split.items():
            for member in members if isinstance(members, list | tuple) else ():
                if isinstance(member, str):
                    out.setdefault(in_unicode(member), []).append(str(name))
    return {member: tuple(names) for member, names in out.items()}
