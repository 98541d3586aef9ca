"""Paths from pictures: known cameras, people, parallax, captions, cuts, and what it costs."""

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from known_cameras import CAMERAS, in_batches, known_camera, seen_through
from truth_clips import all_truth_clips

from pipeline.camera.observe import CameraObserver
from pipeline.camera.path import CameraPath
from pipeline.camera.settings import CameraSettings
from pipeline.carriers import FrameBatch, Pose2D
from pipeline.pose.protocol import PersonTrack
from pipeline.video import read_frames

FPS, FRAMES = 20.0, 40
WINDOW = (320, 240)
TIMES = np.arange(FRAMES) / FPS


def texture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """A wall: soft patches of several sizes, and a few edges."""
    rng = np.random.default_rng(seed)
    out = np.zeros((height, width, 3))
    for cell in (60, 24, 9):
        small = rng.uniform(0, 255, (height // cell + 2, width // cell + 2, 3))
        out += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return (out / 3).clip(0, 255).astype(np.uint8)


def batches_of(frames) -> list[FrameBatch]:
    return in_batches(np.stack(list(frames)), TIMES[: len(frames)])


def path_of(batches: list[FrameBatch], tracks=(), **settings) -> CameraPath:
    observer = CameraObserver(CameraSettings(**settings))
    for _ in observer.watch(batches):
        pass
    return observer.path(tracks)


def person(joints: np.ndarray) -> PersonTrack:
    """A track of (T, J, 2) pixels, all sure."""
    sure = np.isfinite(joints).all(axis=-1).astype(np.float32)
    times = TIMES[: len(joints)]
    pose = Pose2D("coco17", joints.astype(np.float32), sure, times, WINDOW)
    return PersonTrack(pose, first_frame=0, clip_frames=len(joints))


@pytest.mark.parametrize("name", ["pan", "zoom", "shake", "whip", "all"])
def test_a_known_camera_is_found_to_a_pixel(name: str) -> None:
    wall = texture(800, 600)
    known = known_camera(CAMERAS[name](TIMES), (800, 600), WINDOW, share=0.6)
    path = path_of(batches_of(seen_through([wall] * FRAMES, known)))
    assert known.error_px(path).mean() < 1.0
    assert known.error_px(path).max() < 2.0
    assert path.moved and path.broken == 0 and path.quality > 0.7
    # The bound means something: without the path the picture is much further off.
    still = replace(path, similarity=np.zeros_like(path.similarity))
    assert known.error_px(still).mean() > 4.0


def test_a_still_camera_is_exactly_still_under_noise() -> None:
    wall, rng = texture(*WINDOW), np.random.default_rng(1)
    noisy = [np.clip(wall + rng.normal(0, 6, wall.shape), 0, 255).astype(np.uint8) for _ in TIMES]
    path = path_of(batches_of(noisy))
    assert not path.moved
    assert not path.similarity.any()
    assert path.quality > 0.8


def test_still_cameras_of_rendered_clips_stay_still_and_the_panned_one_is_seen() -> None:
    for action in ("SitDown", "Cartwheel"):
        clip = all_truth_clips()[action]
        with read_frames(clip.video, FPS) as stream:
            path = path_of(list(stream))
        assert path.moved == (clip.camera == "pan"), clip.action


def test_walking_towards_the_camera_is_no_zoom() -> None:
    """A figure doubles its size before a wall that stands; then the wall grows alike."""
    wall, cloth = texture(640, 480), texture(640, 480, seed=5)
    grow = np.linspace(1.0, 2.0, FRAMES)
    joints = np.array([[-20, -60], [20, -60], [-15, 0], [15, 0], [-15, 60], [15, 60.0]])
    walking, zooming, tracks = [], [], []
    for size in grow:
        here = joints * size * 0.7 + [160, 130]
        box = np.concatenate([here.min(axis=0) - 8, here.max(axis=0) + 8]).astype(int)
        tracks.append(here)
        near = cv2.resize(cloth[:400, :200], (box[2] - box[0], box[3] - box[1]))
        for film, background in ((walking, wall[:240, :320]), (zooming, _zoomed(wall, size))):
            frame = background.copy()
            frame[max(box[1], 0) : box[3], box[0] : box[2]] = near[max(-box[1], 0) :][
                : 240 - max(box[1], 0)
            ]
            film.append(frame)
    track = person(np.stack(tracks))
    still = path_of(batches_of(walking), [track])
    assert not still.moved
    zoom = path_of(batches_of(zooming), [track])
    assert zoom.moved
    assert np.exp(zoom.similarity[-1, 0]) == pytest.approx(2.0, abs=0.03)
    # Seen from the first frame, the zoomed figure keeps its size, the walking one grows.
    heights = [np.ptp(p.to_first(track.pose.joints, TIMES)[-1, :, 1]) for p in (still, zoom)]
    assert heights[0] == pytest.approx(2 * heights[1], rel=0.05)


def _zoomed(wall: np.ndarray, size: float) -> np.ndarray:
    """The wall's upper left quarter, grown about the picture's middle."""
    matrix = np.array([[size, 0, 160 * (1 - size)], [0, size, 120 * (1 - size)]])
    return cv2.warpAffine(wall, matrix, WINDOW, borderMode=cv2.BORDER_REFLECT)


def test_people_who_fill_most_of_the_picture_do_not_drag_the_background() -> None:
    wall, cloth = texture(*WINDOW), texture(900, 240, seed=3)
    frames, joints = [], []
    for i in range(FRAMES):
        frame = wall.copy()
        frame[20:220, 60:280] = cloth[20:220, 60 + 4 * i : 280 + 4 * i]
        frames.append(frame)
        across, down = np.meshgrid(np.linspace(70, 270, 6), np.linspace(30, 210, 6))
        joints.append(np.stack([across.ravel(), down.ravel()], axis=1))
    alone = path_of(batches_of(frames))
    known = path_of(batches_of(frames), [person(np.stack(joints))])
    assert alone.moved
    assert not known.moved and known.quality > 0.3


def test_two_planes_that_pass_at_different_speed_lower_the_quality() -> None:
    """A camera that moves sideways: no similarity holds for near and far."""
    far, near = texture(900, 120, seed=1), texture(900, 120, seed=2)

    def film(near_speed: float) -> list[np.ndarray]:
        return [
            np.concatenate([_slid(far, 3 * i), _slid(near, near_speed * i)]) for i in range(FRAMES)
        ]

    pan, parallax = path_of(batches_of(film(3))), path_of(batches_of(film(6)))
    assert pan.quality > 0.9
    assert parallax.quality < 0.3
    assert abs(pan.similarity[-1, 2]) == pytest.approx(3 * (FRAMES - 1), abs=1.0)


def _slid(wall: np.ndarray, by: float) -> np.ndarray:
    return wall[:, int(by) : int(by) + WINDOW[0]]


def test_a_caption_that_stays_in_the_picture_does_not_hold_the_camera() -> None:
    wall = texture(800, 600)
    known = known_camera(CAMERAS["pan"](TIMES), (800, 600), WINDOW, share=0.6)
    frames = seen_through([wall] * FRAMES, known)
    for frame in frames:
        for row in (212, 232):
            cv2.putText(frame, "LIVE 12:30 " * 4, (0, row), 0, 0.5, (255, 255, 255), 1)
    path = path_of(batches_of(frames))
    assert known.error_px(path).mean() < 1.0


def test_where_nothing_can_be_followed_the_camera_stands_and_says_so() -> None:
    wall = texture(500, 300)
    black = np.zeros((240, 320, 3), np.uint8)
    slide = [wall[:240, 2 * i : 2 * i + 320] for i in range(25)]
    path = path_of(batches_of([*slide[:12], black, *slide[13:]]))
    assert path.broken >= 1
    assert path.quality < 0.55
    dark = path_of(batches_of([black] * 10))
    assert not dark.moved and dark.quality < 0.01 and dark.broken == 9


def test_small_large_and_portrait_pictures_give_paths_in_their_own_pixels() -> None:
    wall = texture(940, 900)
    for size in ((96, 64), (900, 600), (300, 900)):
        frames = [wall[: size[1], i * 2 : size[0] + i * 2] for i in range(12)]
        path = path_of(batches_of(frames))
        assert path.similarity[-1, 2] == pytest.approx(-22, abs=1.0), size
        assert path.similarity[-1, 3] == pytest.approx(0, abs=1.0), size


def test_the_path_depends_on_the_frames_alone() -> None:
    """Not on how they were cut into batches; and every batch is passed on as it came."""
    wall = texture(800, 600)
    known = known_camera(CAMERAS["all"](TIMES), (800, 600), WINDOW, share=0.6)
    frames = seen_through([wall] * FRAMES, known)
    cut = in_batches(frames, TIMES, size=7)
    observer = CameraObserver()
    passed = list(observer.watch(cut))
    assert all(a is b for a, b in zip(passed, cut, strict=True))
    np.testing.assert_array_equal(
        observer.path([]).similarity, path_of(in_batches(frames, TIMES, size=50)).similarity
    )


def test_frames_are_taken_one_batch_at_a_time_and_few_bytes_are_kept() -> None:
    wall = texture(700, 300)
    taken = []

    def film():
        for start in range(0, FRAMES, 10):
            taken.append(start)
            frames = np.stack([wall[:240, i : i + 320] for i in range(start, start + 10)])
            yield FrameBatch(TIMES[start : start + 10], frames)

    observer = CameraObserver()
    for number, _ in enumerate(observer.watch(film()), start=1):
        assert len(taken) == number
    assert 0 < observer.bytes_kept / FRAMES < 2000


def slow_pan(px_a_frame: float, frames: int = FRAMES) -> list[FrameBatch]:
    """A window that moves to the right over a wall by less than a pixel a frame."""
    wall = texture(700, 300).astype(np.float32)
    return batches_of(
        [
            cv2.getRectSubPix(wall, WINDOW, (300 + px_a_frame * i, 150)).astype(np.uint8)
            for i in range(frames)
        ]
    )


@pytest.mark.parametrize("frames", [FRAMES, FRAMES - 1, 2, 1])
def test_a_calm_camera_is_matched_every_second_frame_and_found_in_all(frames: int) -> None:
    observers = {px: CameraObserver(CameraSettings(calm_px=px)) for px in (0.0, 2.0)}
    paths = {}
    for px, observer in observers.items():
        for _ in observer.watch(slow_pan(0.4, frames)):
            pass
        paths[px] = observer.path([])
        assert observer.path([]).similarity.tolist() == paths[px].similarity.tolist()
    assert len(paths[2.0].times) == frames
    if frames > 2:  # two frames show less than counts as motion
        way = -0.4 * np.arange(frames)
        np.testing.assert_allclose(paths[2.0].similarity[:, 2], way, atol=0.3)
        assert observers[2.0].bytes_kept < 0.65 * observers[0.0].bytes_kept
        # A camera that is not calm is matched in every frame.
        fast = CameraObserver()
        for _ in fast.watch(slow_pan(4.0, frames)):
            pass
        assert fast.bytes_kept > 0.8 * observers[0.0].bytes_kept


def test_a_frame_costs_little() -> None:
    """Measured: about 1 ms of one core at 320x240; the bound allows for a slow machine."""
    wall = texture(700, 300)
    batches = batches_of([wall[:240, 3 * i : 3 * i + 320] for i in range(FRAMES)])
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        start = time.process_time()
        path_of(batches)
        spent = time.process_time() - start
    finally:
        cv2.setNumThreads(threads)
    assert spent / FRAMES < 0.012


def test_wrong_use_is_told_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="before it saw a frame"):
        CameraObserver().path([])
    frames = [np.zeros((1, 80, 100, 3), np.uint8), np.zeros((1, 80, 120, 3), np.uint8)]
    mixed = [FrameBatch(TIMES[i : i + 1], frame) for i, frame in enumerate(frames)]
    with pytest.raises(ValueError, match="one size: 120x80 came after 100x80"):
        path_of(mixed)
    for wrong in ({"side_px": 10}, {"keep_share": 1.5}, {"min_points": 2}, {"calm_px": 3.0}):
        with pytest.raises(ValueError, match=r"pictures|share|points|calm_px"):
            CameraSettings(**wrong)
