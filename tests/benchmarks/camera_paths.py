"""Camera paths against known cameras, and what taking them out does to the labels' root paths.

    OMP_NUM_THREADS=1 python tests/benchmarks/camera_paths.py --shared SHARED
    OMP_NUM_THREADS=1 python tests/benchmarks/camera_paths.py --shared SHARED --labels

The known cameras are windows moved over clips of a still camera (`tests/known_cameras.py`). With
`--labels` the window follows the person, zooms and shakes; the label of the whole still picture is
the reference. `--synthetic FOLDER` takes rendered clips with a known camera and 3D instead.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from known_cameras import CAMERAS, in_batches, known_camera, seen_through

from models.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from models.lifting.label_config import LabelConfig
from models.lifting.lift import lift
from pipeline.camera.observe import CameraObserver
from pipeline.camera.path import CameraPath
from pipeline.camera.similarity import move
from pipeline.carriers import FrameBatch
from pipeline.cleaning import clean_pose
from pipeline.joint_mapping import map_joints
from pipeline.pixels_to_view import project_run
from pipeline.pose import JOINT_SETS, PoseEstimator, make_estimator
from pipeline.pose.protocol import PersonTrack
from pipeline.tracking import choose_person
from pipeline.video import read_frames
from pipeline.views import UNITS_PER_METRE

FPS, LONGEST = 20.0, 160
WINDOW = (320, 240)
PATH_CLIPS = {
    "other/demo4.mp4": 0.45,
    "kinetics/ta_chi.mp4": 0.7,
    "ucf101/SoccerJuggling/v_SoccerJuggling_g24_c01.avi": 0.7,
    "ucf101/PlayingPiano/v_PlayingPiano_g13_c01.avi": 0.7,
}
"""Clips of a still camera, and the window's share of their width."""
LABEL_CLIPS = {
    "other/demo4.mp4": 0.55,
    "other/demo3.mp4": 0.6,
    "kinetics/ta_chi.mp4": 0.7,
    "ucf101/SoccerJuggling/v_SoccerJuggling_g24_c01.avi": 0.75,
}
BACKGROUND_M = 8.0
"""Depth at which a rendered camera's motion is judged: matters only where it translates."""
LABEL_HEADER = (
    "clip          camera        path error px  quality   root error m, picture: without  with"
    "   lifted: without  with"
)
HARMS = ("none", "noise", "blur", "caption", "crowd")


def read_still(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """((T, H, W, 3) frames, (T,) seconds) of the first eight seconds at 20 fps."""
    frames: list[np.ndarray] = []
    times: list[float] = []
    with read_frames(path, FPS) as stream:
        for batch in stream:
            frames += list(batch.frames)
            times += batch.times.tolist()
    return np.stack(frames[:LONGEST]), np.asarray(times[:LONGEST])


def harmed(frames: np.ndarray, harm: str, seed: int = 0) -> np.ndarray:
    """What makes a background hard to follow."""
    rng = np.random.default_rng(seed)
    out = frames.copy()
    height, width = frames.shape[1:3]
    patch = rng.integers(0, 255, (height // 16, width // 64, 3), np.uint8)
    patch = cv2.resize(patch, (width // 4, height // 4), interpolation=cv2.INTER_NEAREST)
    for i, frame in enumerate(out):
        if harm == "noise":
            frame[:] = np.clip(frame + rng.normal(0, 20, frame.shape), 0, 255)
        elif harm == "blur":
            frame[:] = cv2.GaussianBlur(frame, (0, 0), 5)
        elif harm == "caption":
            for row in (height - 28, height - 10):
                cv2.putText(frame, "CAPTION " * 6, (0, row), 0, 0.5, (255, 255, 255), 1)
        elif harm == "crowd":
            for k in range(6):
                x = int((k * width / 3 + (2 + k % 3) * 2 * i) % (width * 3 // 4))
                y = (k % 3) * height // 3
                frame[y : y + patch.shape[0], x : x + patch.shape[1]] = patch
    return out


def watched(batches: Sequence[FrameBatch], tracks: Sequence[PersonTrack] = ()) -> CameraPath:
    """The path over frames, with people as given."""
    observer = CameraObserver()
    for _ in observer.watch(batches):
        pass
    return observer.path(tracks)


def path_table(shared: Path) -> None:
    """One line a clip, camera and harm; how well the quality orders the errors."""
    errors, qualities = [], []
    print("clip          camera harm     error px  worst  % of width  without  quality  moved")
    for name, share in PATH_CLIPS.items():
        frames, times = read_still(shared / "videos" / name)
        picture = (frames.shape[2], frames.shape[1])
        for camera, moves in CAMERAS.items():
            known = known_camera(moves(times), picture, WINDOW, share)
            seen = seen_through(frames, known)
            for harm in HARMS if camera in ("still", "pan", "all") else HARMS[:1]:
                path = watched(in_batches(harmed(seen, harm), times))
                error = known.error_px(path)
                without = known.error_px(_standing(path))
                errors.append(error.mean())
                qualities.append(path.quality)
                print(
                    f"{Path(name).stem[:13]:13} {camera:6} {harm:8} {error.mean():8.2f} "
                    f"{error.max():6.2f} {100 * error.mean() / WINDOW[0]:11.2f} "
                    f"{without.mean():8.1f} {path.quality:8.2f}  {path.moved}",
                    flush=True,
                )
    rank = spearmanr(qualities, errors).statistic
    print(f"{len(errors)} runs, median error {np.median(errors):.2f} px")
    print(f"rank correlation of quality and error {rank:+.2f}")
    print("quality      runs  median error px  90th percentile")
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.9), (0.9, 1.01)):
        part = [e for e, q in zip(errors, qualities, strict=True) if low <= q < high]
        if part:
            print(
                f"{low:.2f}-{min(high, 1.0):.2f} {len(part):8d} {np.median(part):12.2f} "
                f"{np.percentile(part, 90):16.2f}"
            )


def _standing(path: CameraPath) -> CameraPath:
    return replace(path, similarity=np.zeros_like(path.similarity), moved=False)


def label_table(shared: Path, checkpoint: Checkpoint) -> None:
    """Root path error of labels through moved windows, with and without the path."""
    estimator = make_estimator("packaged")
    print(LABEL_HEADER)
    gathered: dict[str, list[list[float]]] = {}
    for name, share in LABEL_CLIPS.items():
        frames, times = read_still(shared / "videos" / name)
        picture = (frames.shape[2], frames.shape[1])
        tracks, _ = observed(in_batches(frames, times), picture, estimator)
        reference = root_path(tracks, None, checkpoint)
        if reference is None:
            print(f"{Path(name).stem[:13]:13} gives no label: left out")
            continue
        for camera, moves in person_cameras(tracks, times, picture, share).items():
            known = known_camera(moves, picture, WINDOW, share)
            seen = in_batches(seen_through(frames, known), times)
            people, path = observed(seen, WINDOW, estimator)
            errors = [
                *path_errors(root_path(people, None, checkpoint), reference),
                *path_errors(root_path(people, path, checkpoint), reference),
            ]
            gathered.setdefault(camera, []).append(errors)
            print(
                f"{Path(name).stem[:13]:13} {camera:13} {known.error_px(path).mean():13.2f} "
                f"{path.quality:8.2f} {columns(errors)}",
                flush=True,
            )
    for camera, rows in gathered.items():
        print(f"mean          {camera:13} {'':22} {columns(np.nanmean(rows, axis=0))}")


def columns(errors: Sequence[float]) -> str:
    """The picture's two errors, then the label's two."""
    flat, deep, flat_steady, deep_steady = errors
    return f"{flat:12.3f} {flat_steady:7.3f} {deep:10.3f} {deep_steady:7.3f}"


def person_cameras(
    tracks: Sequence[PersonTrack], times: np.ndarray, picture: tuple[int, int], share: float
) -> dict[str, np.ndarray]:
    """Moves (T, 4) of cameramen who keep the person in sight."""
    pose = tracks[choose_person(tracks).index].pose
    boxes = pose.boxes
    found = np.isfinite(boxes).all(axis=1)
    across = np.array([share * picture[0], share * picture[0] * WINDOW[1] / WINDOW[0]])
    room = np.maximum(np.asarray(picture) - across, 1e-6) / 2
    middle = (boxes[found, :2] + boxes[found, 2:]) / 2
    held = [np.interp(times, pose.times[found], middle[:, k]) for k in range(2)]
    steady = gaussian_filter1d(np.stack(held, axis=1), 12, axis=0)
    aim = ((steady - np.asarray(picture) / 2) / room).clip(-1, 1)
    shake, zoom = CAMERAS["shake"](times), CAMERAS["zoom"](times)
    still = np.array([1.0, 0.0, *aim.mean(axis=0)])
    follow = np.column_stack([np.ones(len(times)), np.zeros(len(times)), aim])
    sway = still + [0, 0, 0.3, 0] * np.sin(times)[:, None]
    moves = {
        "still": np.tile(still, (len(times), 1)),
        "sway": sway,
        "follow": follow,
        "follow, zoom": np.column_stack([0.5 + zoom[:, 0] / 2, follow[:, 1:]]),
        "follow, shake": np.column_stack([shake[:, :2], follow[:, 2:] + shake[:, 2:] / 2]),
    }
    return {name: np.column_stack([m[:, :2], m[:, 2:].clip(-1, 1)]) for name, m in moves.items()}


def observed(
    batches: Iterable[FrameBatch], size: tuple[int, int], estimator: PoseEstimator
) -> tuple[list[PersonTrack], CameraPath]:
    """Everybody in the frames, and the camera seen on the way."""
    observer = CameraObserver()
    tracks = estimator.estimate(observer.watch(batches), frame_size=size)
    return tracks, observer.path(tracks)


@dataclass(frozen=True)
class RootPath:
    """Where one motion's root went."""

    seconds: np.ndarray
    """(N,)"""
    flat: np.ndarray
    """(N, 2) metres in the picture's plane."""
    deep: np.ndarray
    """(N, 3) metres, lifted."""


def root_path(
    tracks: Sequence[PersonTrack], path: CameraPath | None, checkpoint: Checkpoint
) -> RootPath | None:
    """The longest motion's root, None without a motion."""
    if not tracks:
        return None
    pose, config = tracks[choose_person(tracks).index].pose, LabelConfig()
    if path is not None:
        pose = replace(pose, joints=path.to_first(pose.joints, pose.times))
    names = JOINT_SETS[pose.joint_set].joints
    mapped = map_joints(pose, names, threshold=config.confidence_threshold)
    runs = clean_pose(mapped, config.cleaning)
    if not runs:
        return None
    run = max(runs, key=lambda run: len(run.joints))
    view = project_run(run)
    joints = lift(checkpoint, view.features, view.mask).joints
    seconds = run.start_s + np.arange(len(joints)) / FPS
    return RootPath(seconds, view.joints[: len(joints), 0] / UNITS_PER_METRE, joints[:, 0])


def path_errors(path: RootPath | None, reference: RootPath | None) -> tuple[float, float]:
    """Mean distance (m) in the picture's plane and in space, over the time that both have.

    After the best shift, and in space the best turn about the vertical: a label faces as it will.
    """
    if path is None or reference is None:
        return float("nan"), float("nan")
    seconds = np.arange(
        max(path.seconds[0], reference.seconds[0]),
        min(path.seconds[-1], reference.seconds[-1]),
        1 / FPS,
    )
    if len(seconds) < FPS:
        return float("nan"), float("nan")
    flat, deep = (
        (_at(p.seconds, p.flat, seconds) for p in (path, reference)),
        (_at(p.seconds, p.deep, seconds) for p in (path, reference)),
    )
    (a, b), (c, d) = flat, deep
    ground, wanted = c[:, 0] + 1j * c[:, 2], d[:, 0] + 1j * d[:, 2]
    turned = ground * np.exp(1j * np.angle(np.vdot(ground, wanted)))
    off = np.sqrt(np.abs(turned - wanted) ** 2 + (c[:, 1] - d[:, 1]) ** 2)
    return float(np.linalg.norm(a - b, axis=1).mean()), float(off.mean())


def _at(seconds: np.ndarray, where: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    there = np.stack([np.interp(wanted, seconds, column) for column in where.T], axis=1)
    return there - there.mean(axis=0)


def synthetic_table(folder: Path, checkpoint: Checkpoint, cameras: Sequence[str]) -> None:
    """Rendered clips: the label's root against the known one, which turned with the camera."""
    print(LABEL_HEADER)
    gathered: dict[str, list[list[float]]] = {}
    for file in sorted(folder.glob("*/*.truth.npz")):
        with np.load(file, allow_pickle=False) as data:
            truth = {
                name: data[name] for name in ("joints3d_world", "K", "R", "t", "fps", "camera")
            }
        camera = str(truth["camera"])
        if cameras and camera not in cameras:
            continue
        tracks, path, size = observed_file(file.with_name(file.name.replace(".truth.npz", ".avi")))
        reference = known_root(truth)
        errors = [
            *path_errors(root_path(tracks, None, checkpoint), reference),
            *path_errors(root_path(tracks, path, checkpoint), reference),
        ]
        gathered.setdefault(camera, []).append(errors)
        off = known_error_px(path, truth, size)
        print(
            f"{file.name[2:15]:13} {camera:13} {off:13.2f} {path.quality:8.2f} {columns(errors)}",
            flush=True,
        )
    for camera, rows in gathered.items():
        mean = columns(np.nanmean(rows, axis=0))
        print(f"mean of {len(rows):3d}   {camera:13} {'':22} {mean}")


def observed_file(video: Path) -> tuple[list[PersonTrack], CameraPath, tuple[int, int]]:
    """Everybody in a file, the camera, and the picture's (width, height)."""
    with read_frames(video, FPS) as stream:
        batches = list(stream)
    size = (batches[0].frames.shape[2], batches[0].frames.shape[1])
    return *observed(batches, size, make_estimator("packaged")), size


def known_root(truth: dict[str, np.ndarray]) -> RootPath:
    """The rendered root: in the world, and in the picture's plane of the first camera."""
    root = truth["joints3d_world"][:, 0]
    in_camera = root @ truth["R"][0].T
    return RootPath(
        np.arange(len(root)) / float(truth["fps"]), in_camera[:, :2] * [1.0, -1.0], root
    )


def known_error_px(path: CameraPath, truth: dict[str, np.ndarray], size: tuple[int, int]) -> float:
    """Mean distance (px) of the path from where the truth puts points at the background's depth."""
    across, down = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 5))
    grid = np.stack([across.ravel(), down.ravel()], axis=1) * size
    k, r, t = (truth[name].astype(np.float64) for name in ("K", "R", "t"))
    rays = np.column_stack([grid, np.ones(len(grid))]) @ np.linalg.inv(k[0]).T * BACKGROUND_M
    world = (rays - t[0]) @ r[0]
    frame = np.rint(path.times * float(truth["fps"])).astype(int).clip(0, len(k) - 1)
    seen = np.einsum("tij,nj->tni", r[frame], world) + t[frame][:, None]
    seen = np.einsum("tij,tnj->tni", k[frame], seen)
    wanted = seen[..., :2] / seen[..., 2:]
    return float(np.linalg.norm(move(path.similarity, grid[None]) - wanted, axis=-1).mean())


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, help="folder with videos/")
    parser.add_argument("--labels", action="store_true", help="root paths of labels")
    parser.add_argument("--synthetic", type=Path, help="folder of rendered clips with truth")
    parser.add_argument("--cameras", nargs="*", default=(), help="only these of the rendered clips")
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if options.synthetic is not None:
        synthetic_table(options.synthetic, load_checkpoint(options.checkpoint), options.cameras)
    elif options.shared is None:
        parser.error("name --shared, or --synthetic")
    elif options.labels:
        label_table(options.shared, load_checkpoint(options.checkpoint))
    else:
        path_table(options.shared)


if __name__ == "__main__":
    main()
