"""A motion to a film with its truth: XviD in AVI as UCF101 has it, and an .npz beside it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from scipy.interpolate import CubicSpline

from pipeline.arrays import Float32, Float64, UInt8
from pipeline.parametric_body.posed import PosedBody
from pipeline.parametric_body.posing import JOINT, pose_body
from pipeline.parametric_body.rest import RestBody
from pipeline.skeletons import HUMANML3D
from tests.benchmarks.synthetic.body import FACE, Person, load_body
from tests.benchmarks.synthetic.cameras import (
    FPS,
    HEIGHT,
    WIDTH,
    CameraTrack,
    Shoot,
    draw_shoot,
    fit_shoot,
)
from tests.benchmarks.synthetic.clothes import draw_outfit, dress, parts_of
from tests.benchmarks.synthetic.raster import draw, surface
from tests.benchmarks.synthetic.scene import draw_room
from tests.benchmarks.synthetic.skinning import direction_error_deg, settle

TRUTH_FPS = 20.0
QUALITY = "4"
"""MPEG-4's quantiser: about 400 kb/s, as UCF101 has."""
COCO_LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
COCO = (*FACE, *(f"{side}_{part}" for part in COCO_LIMBS for side in ("left", "right")))


@dataclass(frozen=True)
class Take:
    """One clip to be made."""

    name: str
    """Class/v_Class_gXX_cYY without its ending."""
    motion_id: str
    action: str
    caption: str
    kind: str
    """Of camera."""
    azimuth_deg: float
    seed: int


@dataclass(frozen=True)
class Filmed:
    """A clip before its pictures are drawn."""

    take: Take
    person: Person
    shoot: Shoot
    posed: PosedBody
    camera: CameraTrack
    inside: bool
    """All of the motion is in the picture."""
    limbs_off_deg: float
    """Between the body's limbs and the captured ones."""


def set_up(take: Take, captured: Float64, load: Callable[[Person], RestBody] = load_body) -> Filmed:
    """The body, its poses and the camera of a take.

    Args:
        take: What to make.
        captured: (T, 22, 3) metres at 20 fps.
        load: Gives a person's body at rest.
    """
    rng = np.random.default_rng(take.seed)
    person = Person(*(float(x) for x in rng.uniform((0, 0.3, 0.25, 0.3), (1, 0.7, 0.75, 0.7))))
    joints = resample(captured, HUMANML3D.fps, FPS)
    body = load(person)
    posed = settle(PosedBody(body, pose_body(body, joints)), joints)
    own = posed.joints()
    shoot, camera, inside = fit_shoot(draw_shoot(take.kind, take.azimuth_deg, rng), own)
    return Filmed(take, person, shoot, posed, camera, inside, direction_error_deg(own, joints))


def pictures(filmed: Filmed) -> Iterator[UInt8]:
    """(240, 320, 3) RGB of every frame."""
    rng = np.random.default_rng([filmed.take.seed, 1])
    outfit, room = draw_outfit(rng), draw_room(rng)
    turn, high = rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.4)
    light = np.array([np.cos(turn), 2 * high, np.sin(turn)], np.float32)
    light /= np.linalg.norm(light)
    body, camera = filmed.posed.body, filmed.camera
    parts = parts_of(body, outfit)
    kept = surface(body.faces, parts, body.vertices, outfit, room, light)
    dressed = filmed.posed.wearing(dress(body, parts))
    for frame in range(len(camera.k)):
        k, r, t = camera.k[frame], camera.r[frame], camera.t[frame]
        yield draw(kept, dressed.vertices(frame), k, r, t, rng)


def truth(filmed: Filmed) -> dict[str, np.ndarray]:
    """All that is known of a clip, as `numpy.savez` takes it."""
    joints, camera = filmed.posed.joints(), filmed.camera
    coco = np.concatenate(
        [filmed.posed.face(), joints[:, [JOINT[n] for n in COCO[len(FACE) :]]]], 1
    )
    seen = {
        "joints2d_px": camera.project(joints),
        "coco17_2d_px": camera.project(coco),
        "joints3d_world": joints,
        "joints3d_20fps": resample(joints, FPS, TRUTH_FPS),
        "K": camera.k,
        "R": camera.r,
        "t": camera.t,
    }
    said = {
        "action": filmed.take.action,
        "camera": filmed.take.kind,
        "caption": filmed.take.caption,
        "motion_id": filmed.take.motion_id,
        "person": json.dumps(asdict(filmed.person)),
    }
    numbers = {
        "fps": FPS,
        "view_deg": filmed.shoot.azimuth_deg,
        "elevation_deg": filmed.shoot.elevation_deg,
        "distance_m": filmed.shoot.distance_m,
        "limbs_off_deg": filmed.limbs_off_deg,
        "seed": filmed.take.seed,
    }
    return {
        **{name: np.asarray(values, np.float32) for name, values in seen.items()},
        **{name: np.array(value) for name, value in {**said, **numbers}.items()},
        "whole_in_picture": np.array(filmed.inside),
        "joint_names": np.array(HUMANML3D.joint_names),
        "coco_names": np.array(COCO),
    }


def resample(joints: Float64 | Float32, fps: float, wanted: float) -> Float64:
    """(T', J, 3) at another frame rate, the first frame kept: a cubic spline."""
    times = np.arange(len(joints)) / fps
    count = int(np.floor(times[-1] * wanted + 1e-6)) + 1
    return np.asarray(CubicSpline(times, joints.astype(np.float64))(np.arange(count) / wanted))


def write_clip(filmed: Filmed, folder: Path) -> None:
    """Write the truth, then the film: a film that is there has its truth.

    Raises:
        ValueError: ffmpeg cannot write it.
    """
    video = folder / f"{filmed.take.name}.avi"
    video.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(video.with_suffix(".truth.npz"), **truth(filmed))
    unfinished = video.with_suffix(".part")
    write_avi(pictures(filmed), unfinished)
    unfinished.replace(video)


def write_avi(frames: Iterator[UInt8], out: Path) -> None:
    """Encode RGB pictures of UCF101's size; the same pictures give the same bytes.

    Raises:
        ValueError: ffmpeg failed; what it said.
    """
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS)]
    exact = ["-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]
    exact += ["-sws_flags", "+accurate_rnd+bitexact"]
    codec = ["-an", "-c:v", "mpeg4", "-vtag", "XVID", "-q:v", QUALITY, "-g", "50"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *source, "-i", "pipe:0"]
    command += [*codec, *exact, "-f", "avi", str(out)]
    data = b"".join(frame.tobytes() for frame in frames)
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        raise ValueError(f"cannot write {out}: {done.stderr.decode('utf-8', 'replace').strip()}")
