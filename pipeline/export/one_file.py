"""One motion, one file: BVH, GLB, NPZ, CSV or MP4."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.arrays import AnyFloat
from pipeline.export.bvh import BvhUnit, write_bvh
from pipeline.export.exported import ExportMotion
from pipeline.export.glb import BodyKind, write_glb
from pipeline.export.inverse_kinematics import at_fps, deviation, fit_rig
from pipeline.generated_files import write_motion
from pipeline.render import FilmCaption, write_skeleton_film
from pipeline.render.camera import AZIMUTH_DEG
from pipeline.render.generated_film import Sentence, write_generated_film
from pipeline.render.out_files import replaced_when_done
from pipeline.skeletons import HUMANML3D, SKELETONS, Skeleton

FileFormat = Literal["bvh", "glb", "npz", "csv", "mp4"]
RIGGED = ("bvh", "glb")
"""Formats that hold rotations of a rig."""
NAME_LETTERS = 60
"""Of a caption, as an animation's name."""


@dataclass(frozen=True)
class FileOptions:
    """How a motion becomes a file."""

    format: FileFormat
    unit: BvhUnit = "cm"
    fps: float | None = None
    """Of a rigged motion; None: the motion's own."""
    helpers: bool = True
    """Helper bones at hips and chest; see `pipeline.export.rig.make_rig`."""
    body: BodyKind = "capsules"
    """What a GLB shows."""

    @property
    def suffix(self) -> str:
        """The files' ending."""
        return f".{self.format}"


def write_file(motion: ExportMotion, out: Path, options: FileOptions) -> dict[str, Any]:
    """Write one motion as one file that appears whole or not at all.

    Returns:
        `frames`, `fps`, `seconds`; of a rigged motion also `deviation_mean_mm` and
        `deviation_max_mm`: how far its joints, on bones of constant length, are from the motion's.

    Raises:
        ValueError: The motion cannot be written in this format, or `out` cannot be written.
    """
    joints = joints_of(motion)
    if options.format in RIGGED:
        return _write_rigged(motion, joints, out, options)
    if options.format == "npz":
        _write_npz(motion, joints, out)
    elif options.format == "csv":
        _write_csv(motion, joints, out)
    else:
        _write_film(motion, joints, out)
    return _facts(len(joints), motion.fps)


def joints_of(motion: ExportMotion) -> AnyFloat:
    """(T, J, 3) of a motion whose 3D is known.

    Raises:
        ValueError: Only 2D is known, or the numbers cannot be used; says so.
    """
    skeleton = skeleton_of(motion)
    if motion.joints is None or (motion.joints.ndim == 3 and motion.joints.shape[-1] == 2):
        raise ValueError("it is 2D only: there is no 3D to export")
    if motion.joints.ndim != 3 or motion.joints.shape[1:] != (skeleton.n_joints, 3):
        raise ValueError(
            f"its joints are {motion.joints.shape}, expected (frames, {skeleton.n_joints}, 3)"
        )
    if not len(motion.joints) or not np.isfinite(motion.joints).all():
        raise ValueError("its joints hold no frame, or numbers that are not finite")
    return motion.joints


def skeleton_of(motion: ExportMotion) -> Skeleton:
    """The motion's skeleton.

    Raises:
        ValueError: It is none that we know.
    """
    found = SKELETONS.get(motion.joint_set)
    if found is None:
        raise ValueError(f"its skeleton '{motion.joint_set}' is not one of {', '.join(SKELETONS)}")
    return found


def _facts(frames: int, fps: float) -> dict[str, Any]:
    return {"frames": frames, "fps": fps, "seconds": round(frames / fps, 3)}


def _write_rigged(
    motion: ExportMotion, joints: AnyFloat, out: Path, options: FileOptions
) -> dict[str, Any]:
    if motion.joint_set != HUMANML3D.name:
        raise ValueError(
            f"its skeleton is {motion.joint_set}: {options.format} files are made of "
            f"{HUMANML3D.name} alone"
        )
    rigged = fit_rig(joints, motion.fps, helpers=options.helpers)
    apart = deviation(rigged, joints)
    if options.fps is not None:
        rigged = at_fps(rigged, options.fps)
    if options.format == "bvh":
        write_bvh(rigged, out, options.unit)
    else:
        about = {"motion_id": motion.motion_id, "captions": list(motion.captions)}
        name = (motion.captions[:1] or (motion.action or motion.motion_id,))[0][:NAME_LETTERS]
        write_glb(rigged, out, name=name, about=about, body=options.body)
    return {
        **_facts(rigged.n_frames, rigged.fps),
        "deviation_mean_mm": round(apart.mean_mm, 3),
        "deviation_max_mm": round(apart.max_mm, 3),
    }


def _write_npz(motion: ExportMotion, joints: AnyFloat, out: Path) -> None:
    if motion.features is None:
        raise ValueError("it has no feature rows")
    facts: dict[str, Any] = {
        "motion_id": motion.motion_id,
        "joint_set": motion.joint_set,
        "joint_names": list(skeleton_of(motion).joint_names),
        "captions": list(motion.captions) or np.zeros(0, "U1"),
        "action": motion.action or "",
        "split": motion.split or "",
        **_lineage_facts(motion.lineage),
    }
    write_motion(out, joints.astype(np.float32), motion.features, facts, motion.fps)


def _lineage_facts(lineage: Mapping[str, Any]) -> dict[str, Any]:
    """Lineage as values of an NPZ: what is not known is empty."""
    return {
        f"lineage_{name}": value if isinstance(value, int | float) else str(value or "")
        for name, value in lineage.items()
    }


def _write_csv(motion: ExportMotion, joints: AnyFloat, out: Path) -> None:
    names = [f"{name}_{axis}" for name in skeleton_of(motion).joint_names for axis in "xyz"]
    with (
        replaced_when_done(out, ".csv") as unfinished,
        unfinished.open("w", encoding="ascii", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time_s", *names])
        for frame, row in enumerate(joints.reshape(len(joints), -1).tolist()):
            writer.writerow([f"{frame / motion.fps:.6f}", *(f"{value:.6f}" for value in row)])


def _write_film(motion: ExportMotion, joints: AnyFloat, out: Path) -> None:
    words = motion.captions[0] if motion.captions else ""
    if motion.joint_set != HUMANML3D.name:
        said = [Sentence(0, words or motion.motion_id)]
        write_generated_film(joints, motion.fps, out, said, skeleton=skeleton_of(motion))
        return
    azimuth = AZIMUTH_DEG if motion.azimuth_deg is None else motion.azimuth_deg
    caption = FilmCaption(motion.motion_id, motion.action or "", (), words)
    write_skeleton_film(joints, motion.fps, out, caption=caption, azimuth_deg=azimuth)
