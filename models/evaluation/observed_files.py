"""What was seen of a clip, kept as one .npz file: the 2D pass is the slow part of a comparison."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import models.lifting.observing
import pipeline
from models.lifting.observing import ObservedClip, Person
from pipeline.array_files import UNREADABLE
from pipeline.camera.path import CameraPath
from pipeline.carriers import Pose2D, VideoInfo
from pipeline.pose.protocol import PersonTrack
from pipeline.reasons import Reason
from pipeline.render.out_files import replaced_when_done
from pipeline.tracking import Choice

LAYOUT = 1
SOURCES = (
    "pose/*.py",
    "camera/*.py",
    "video/*.py",
    "shots.py",
    "tracking.py",
    "cleaning_config.py",
)
"""Code in `pipeline` on which an observation depends: when it changes, clips are seen anew."""
NAME_LETTERS = 20
"""Hex digits in a file's name."""


def observation_name(video: Path, settings: Mapping[str, Any]) -> str:
    """A file name for an observation: of the video's bytes, the settings and the code that looks.

    Args:
        video: The clip.
        settings: All else that decides what is seen, as plain values.
    """
    digest = hashlib.sha256(video.read_bytes())
    digest.update(json.dumps([LAYOUT, dict(settings)], sort_keys=True).encode())
    for file in _sources():
        digest.update(file.read_bytes())
    return f"{video.stem}-{digest.hexdigest()[:NAME_LETTERS]}.npz"


def _sources() -> list[Path]:
    root = Path(str(pipeline.__file__)).parent
    own = [Path(str(models.lifting.observing.__file__))]
    return own + [file for pattern in SOURCES for file in sorted(root.glob(pattern))]


def save_observed(seen: ObservedClip, path: Path) -> None:
    """Write an observation; the file appears whole or not at all."""
    arrays: dict[str, Any] = {}
    told = []
    for n, person in enumerate(seen.people):
        track, camera = person.track, person.camera
        arrays |= _named(n, {"joints": track.pose.joints, "confidence": track.pose.confidence})
        arrays |= _named(n, {"times": track.pose.times})
        if track.world is not None:
            arrays |= _named(n, {"world": track.world})
        if camera is not None:
            arrays |= _named(n, {"camera_times": camera.times, "camera": camera.similarity})
        told.append(_person_facts(person))
    about = {
        "info": None if seen.info is None else {**asdict(seen.info), "path": str(seen.info.path)},
        "reason": seen.reason.value if seen.reason else None,
        "detail": seen.detail,
        "seconds": seen.seconds,
        "people": told,
    }
    with replaced_when_done(path, ".npz") as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)


def load_observed(path: Path) -> ObservedClip | None:
    """An observation that was kept; None where there is none, or none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            people = [_person(n, told, file) for n, told in enumerate(about["people"])]
    except (*UNREADABLE, KeyError):
        return None
    info = about["info"]
    if info is not None:
        facts = {**info, "path": Path(info["path"]), "warnings": tuple(info["warnings"])}
        info = VideoInfo(**facts)
    reason = Reason(about["reason"]) if about["reason"] else None
    return ObservedClip(info, reason, about["detail"], people, about["seconds"])


def _named(number: int, arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{number}_{name}": values for name, values in arrays.items()}


def _person_facts(person: Person) -> dict[str, Any]:
    track, camera = person.track, person.camera
    return {
        "shot": person.shot,
        "number": person.number,
        "joint_set": track.pose.joint_set,
        "frame_size": list(track.pose.frame_size),
        "first_frame": track.first_frame,
        "clip_frames": track.clip_frames,
        "choice": None if person.choice is None else asdict(person.choice),
        "camera": None
        if camera is None
        else {"quality": camera.quality, "moved": camera.moved, "broken": camera.broken},
    }


def _person(n: int, told: Mapping[str, Any], file: Mapping[str, Any]) -> Person:
    width, height = told["frame_size"]
    pose = Pose2D(
        told["joint_set"],
        file[f"{n}_joints"],
        file[f"{n}_confidence"],
        file[f"{n}_times"],
        (int(width), int(height)),
    )
    world = file.get(f"{n}_world")
    track = PersonTrack(pose, told["first_frame"], told["clip_frames"], world)
    camera = None
    if told["camera"] is not None:
        camera = CameraPath(file[f"{n}_camera_times"], file[f"{n}_camera"], **told["camera"])
    choice = None if told["choice"] is None else Choice(**told["choice"])
    return Person(told["shot"], told["number"], track, choice, camera)


def without_camera(people: Sequence[Person]) -> list[Person]:
    """The same people, their camera not watched."""
    return [Person(p.shot, p.number, p.track, p.choice) for p in people]
