"""Drawing: what is where in a picture, one clock for film and video, files whole or absent."""

import base64
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from chromium import visit
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_store import truth

from pipeline.carriers import FrameBatch
from pipeline.reasons import PipelineError, Reason
from pipeline.render import (
    CleanedPose,
    DetectedPose,
    FilmCaption,
    FilmMotion,
    FilmTrack,
    draw_scene,
    film_fps,
    skeleton_scene,
    skeleton_thumbnail,
    thumbnail,
    write_side_by_side,
    write_skeleton_film,
)
from pipeline.render.charts import histogram, stacked
from pipeline.render.film import PANEL_PX, on_grid
from pipeline.render.ground import draw_ground
from pipeline.render.overlay import draw_pose
from pipeline.render.palette import BACKDROP, UNSEEN, Limb, rig
from pipeline.render.player_data import LONGEST_FRAMES, pack_motion
from pipeline.skeletons import HUMANML3D

NAMES = HUMANML3D.joint_names
SIZE = (320, 240)
ROOT = Path(__file__).resolve().parent.parent


def t_pose() -> np.ndarray:
    """(22, 3): standing, arms out, facing +z; left is +x."""
    offsets = HUMANML3D.raw_offset_array
    pose = np.zeros((22, 3))
    pose[0] = [0, 0.95, 0]
    for parent, child in HUMANML3D.bones:
        arm = any(word in NAMES[child] for word in ("shoulder", "elbow", "wrist"))
        side = 1.0 if "left" in NAMES[child] else -1.0
        direction = np.array([side, 0, 0]) if arm else offsets[child]
        pose[child] = pose[parent] + direction * HUMANML3D.canonical_lengths[child]
    return pose


def walk(metres: float, frames: int = 60) -> np.ndarray:
    way = np.linspace(0, metres, frames)[:, None, None] * np.array([1.0, 0, 0.5])
    return t_pose()[None] + way


def body_box(picture: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of everything in a limb's colour; the root's path is yellow."""
    red, green, _ = np.moveaxis(picture.astype(int), -1, 0)
    rows, columns = np.nonzero(np.abs(red - green) > 60)
    return columns.min(), rows.min(), columns.max(), rows.max()


def colour_share(picture: np.ndarray, limb: Limb, tolerance: int = 60) -> float:
    away = np.abs(picture.astype(int) - limb.colour).max(axis=-1)
    return float((away < tolerance).mean())


# --- the 3D picture -----------------------------------------------------------------------------


def test_left_is_blue_and_seen_from_the_front_on_the_right() -> None:
    scene = skeleton_scene(t_pose()[None], 20.0, SIZE, azimuth_deg=0.0)
    picture = draw_scene(scene, 0.0)
    for side, limb in (("left", Limb.LEFT_ARM), ("right", Limb.RIGHT_ARM)):
        elbow = t_pose()[NAMES.index(f"{side}_elbow")]
        (x, y), _ = scene.camera.project(elbow, 0.0)
        assert (x > SIZE[0] / 2) == (side == "left")
        near = picture[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3]
        assert colour_share(near, limb, 90) > 0.5
    behind = skeleton_scene(t_pose()[None], 20.0, SIZE, azimuth_deg=180.0)
    (x, _), _ = behind.camera.project(t_pose()[NAMES.index("left_elbow")], 0.0)
    assert x < SIZE[0] / 2


def test_under_a_body_in_another_unit_no_floor_is_drawn() -> None:
    """A floor of half metres below a body in millimetres had a hundred thousand lines a frame."""
    for scale, drawn in ((1.0, True), (1000.0, False), (1e30, False)):
        picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        scene = skeleton_scene(t_pose()[None] * scale, 20.0, SIZE)
        draw_ground(picture, scene.camera, 0.0)
        assert picture.any() == drawn, scale


@pytest.mark.parametrize("metres", [0.0, 3.0, 40.0])
def test_the_body_stays_in_the_picture_at_one_scale(metres: float) -> None:
    scene = skeleton_scene(walk(metres), 20.0, SIZE)
    heights = []
    for frame in np.linspace(0, scene.n_frames - 1, 7):
        pose = (
            t_pose()
            + walk(metres)[0] * 0
            + np.interp(frame, [0, 59], [0, metres]) * np.array([1.0, 0, 0.5])
        )
        pixels, _ = scene.camera.project(pose, float(frame))
        assert (pixels > 0).all() and (pixels < SIZE).all()
        left, top, right, bottom = body_box(draw_scene(scene, float(frame)))
        assert left > 0 and top > 0 and right < SIZE[0] - 1 and bottom < SIZE[1] - 1
        heights.append(bottom - top)
    assert min(heights) > SIZE[1] * 0.35
    assert max(heights) / min(heights) < 1.1


def test_the_nearer_limb_hides_the_farther_one() -> None:
    pose = t_pose()
    elbow, wrist = (
        [NAMES.index(f"{s}_{j}") for s in ("left", "right")] for j in ("elbow", "wrist")
    )
    for side, depth in ((0, 0.4), (1, -0.4)):
        pose[elbow[side]] = [0.0, 1.5, depth]
        pose[wrist[side]] = [0.0, 1.1, depth]
    for azimuth, nearer in ((0.0, 0), (180.0, 1)):
        scene = skeleton_scene(pose[None], 20.0, (480, 480), azimuth)
        (x, y), _ = scene.camera.project((pose[elbow[nearer]] + pose[wrist[nearer]]) / 2, 0.0)
        seen = draw_scene(scene, 0.0)[round(y), round(x)].astype(int)
        limbs = (Limb.LEFT_ARM, Limb.RIGHT_ARM)
        distance = [np.abs(seen - limb.colour).sum() for limb in limbs]
        assert int(np.argmin(distance)) == nearer


def test_a_pose_between_two_frames_is_between_them() -> None:
    motion = walk(1.0, 2)
    scene = skeleton_scene(motion, 20.0, SIZE)
    assert np.array_equal(draw_scene(scene, 0.0), draw_scene(scene, -3.0))
    assert not np.array_equal(draw_scene(scene, 0.0), draw_scene(scene, 0.5))


@pytest.mark.parametrize("shape", [(0, 22, 3), (5, 21, 3), (22, 3), (5, 22, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(str(shape))):
        skeleton_scene(np.zeros(shape), 20.0, SIZE)


def test_numbers_that_are_not_finite_are_refused() -> None:
    bad = walk(1.0)
    bad[3, 4, 1] = np.nan
    with pytest.raises(ValueError, match="finite"):
        skeleton_scene(bad, 20.0, SIZE)


# --- the 2D overlay -----------------------------------------------------------------------------


def grey(size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.full((size[1], size[0], 3), 90, np.uint8)


def flat_pose() -> np.ndarray:
    """(22, 2) pixels."""
    scene = skeleton_scene(t_pose()[None], 20.0, SIZE, 0.0)
    return scene.camera.project(t_pose(), 0.0)[0]


def test_masked_joints_leave_no_mark() -> None:
    """Cleaning leaves (0, 0) where a joint is masked: nothing may be drawn there or towards it."""
    joints, seen = flat_pose(), np.ones(22, bool)
    hidden = [NAMES.index(n) for n in ("left_elbow", "left_wrist")]
    seen[hidden] = False
    joints[hidden] = 0.0
    picture = grey()
    draw_pose(picture, 1.0, None, CleanedPose(joints, seen))
    assert (picture[:20, :20] == 90).all()
    assert colour_share(picture, Limb.RIGHT_ARM) > 2 * colour_share(picture, Limb.LEFT_ARM) > 0


def test_a_joint_of_low_confidence_is_a_hollow_grey_ring() -> None:
    _, _, limbs = rig("coco17")
    joints = np.full((17, 2), np.nan, np.float32)
    joints[0], joints[9] = (100, 100), (220, 150)
    confidence = np.zeros(17, np.float32)
    confidence[0], confidence[9] = 0.9, 0.1
    picture = grey()
    draw_pose(picture, 1.0, DetectedPose("coco17", joints, confidence), None)
    assert tuple(picture[100, 100]) == limbs[0].colour
    assert tuple(picture[150, 220]) == (90, 90, 90)
    around = picture[140:161, 210:231].astype(int)
    assert (np.abs(around - UNSEEN).max(axis=-1) < 40).any()
    assert (around.max(axis=-1) - around.min(axis=-1)).max() < 30


def test_joints_lie_where_the_scaled_picture_has_them() -> None:
    joints = np.full((17, 2), np.nan, np.float32)
    joints[0] = (40, 30)
    sure = DetectedPose("coco17", joints, np.ones(17, np.float32))
    marked = cv2.imdecode(np.frombuffer(thumbnail(grey((160, 120)), sure, None, 240), np.uint8), 1)
    assert marked.shape == (240, 320, 3)
    rows, columns = np.nonzero(np.abs(marked.astype(int) - 90).max(axis=-1) > 60)
    assert abs(columns.mean() - 80.5) < 1.5 and abs(rows.mean() - 60.5) < 1.5


def test_every_joint_set_can_be_drawn_and_an_unknown_one_is_named() -> None:
    for name in ("coco17", "halpe26", "mediapipe33", "humanml3d22"):
        edges, edge_limbs, limbs = rig(name)
        assert len(edges) == len(edge_limbs) and max(max(e) for e in edges) < len(limbs)
    with pytest.raises(ValueError, match="'moon9'"):
        rig("moon9")


# --- the film's clock ---------------------------------------------------------------------------


def numbered(times: list[float], size: tuple[int, int] = (64, 48)) -> Iterator[FrameBatch]:
    """Frames whose brightness is their number; in batches of uneven length."""
    for start in range(0, len(times), 7):
        part = times[start : start + 7]
        frames = np.stack([np.full((size[1], size[0], 3), start + k, np.uint8)
                           for k in range(len(part))])  # fmt: skip
        yield FrameBatch(np.array(part), frames)


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.floats(0.004, 0.7), min_size=0, max_size=40),
    fps=st.sampled_from([12.0, 25.0, 29.97, 30.0]),
)
def test_every_grid_time_shows_the_nearest_frame_seen_so_far(gaps: list[float], fps: float) -> None:
    times = [0.0, *np.cumsum(gaps).tolist()]
    shown = [(t, int(f[0, 0, 0])) for t, f in on_grid(numbered(times), fps, -1.0, 1e9)]
    assert [t for t, _ in shown] == pytest.approx([k / fps for k in range(len(shown))])
    assert abs(len(shown) - 1 - times[-1] * fps) <= 1.0
    for t, number in shown:
        # The last frame whose time has come, half a grid step early at most.
        due = max(k for k, time in enumerate(times) if time < t + 0.5 / fps + 1e-9)
        assert (
            number in (due, max(due - 1, 0))
            if abs(times[due] - t - 0.5 / fps) < 1e-6
            else number == due
        )


@pytest.mark.parametrize(
    ("video", "film"),
    [(25.0, 25.0), (29.97, 29.97), (50.0, 25.0), (59.94, 29.97), (120.0, 30.0), (5.0, 10.0),
     (None, 25.0), (float("nan"), 25.0)],
)  # fmt: skip
def test_the_films_rate_is_a_whole_part_or_multiple_of_the_videos(
    video: float | None, film: float
) -> None:
    assert film_fps(video) == pytest.approx(film)


def read_film(path: Path) -> list[np.ndarray]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        more, frame = capture.read()
        if not more:
            return frames
        frames.append(frame[..., ::-1])


def test_video_and_skeleton_share_one_clock(samples: Path, tmp_path: Path) -> None:
    clip = truth(samples, "Cartwheel")
    start = 0.6
    motion = FilmMotion(50, clip.joints3d[:50], start, 20.0)
    times = [k / 25 for k in range(90)]
    info = write_side_by_side(
        numbered(times, (64, 48)), None, motion, tmp_path / "a.mp4",
        caption=FilmCaption("m"), fps=25.0, duration_s=3.6,
    )  # fmt: skip
    film = read_film(tmp_path / "a.mp4")
    assert len(film) == info.frames == 90
    scene = skeleton_scene(clip.joints3d[:50], 20.0, (PANEL_PX, PANEL_PX), motion.azimuth_deg)
    for k in (16, 30, 47, 70):
        place = (k / 25 - start) * 20
        side = film[k][:PANEL_PX, -PANEL_PX:].astype(int)
        # The panel is the picture of this moment, and of no other a tenth of a second away.
        right = np.abs(side - draw_scene(scene, place)).mean()
        wrong = min(np.abs(side - draw_scene(scene, place + d)).mean() for d in (-2, 2))
        assert right < 0.6 * wrong
        assert abs(film[k][100, 100].mean() - k) < 6
    for k in (0, 13, 80, 89):
        side = film[k][:PANEL_PX, -PANEL_PX:]
        assert all(colour_share(side, limb, 40) == 0 for limb in (Limb.LEFT_LEG, Limb.RIGHT_LEG))
        assert np.abs(np.median(side, axis=(0, 1)) - BACKDROP).max() < 5


def test_only_the_motions_time_of_a_long_video_is_shown(tmp_path: Path) -> None:
    times = [k / 10 for k in range(250)] + [30 + k / 10 for k in range(400)]
    motion = FilmMotion(20, walk(0.5, 20).astype(np.float32), 20.0, 20.0)
    info = write_side_by_side(
        numbered([t for t in times if t < 64], (32, 32)), None, motion, tmp_path / "a.mp4",
        caption=FilmCaption("m"), fps=10.0,
    )  # fmt: skip
    assert info.duration_s == pytest.approx(21.0, abs=0.3)


def test_a_motion_without_3d_shows_the_video_alone(samples: Path, tmp_path: Path) -> None:
    clip = truth(samples, "SitDown")
    n = len(clip.coco)
    track = FilmTrack(
        "coco17", np.arange(n) / 25, clip.coco, np.ones((n, 17), np.float32),
    )  # fmt: skip
    info = write_side_by_side(
        numbered([k / 25 for k in range(20)], (320, 240)), track, FilmMotion(16),
        tmp_path / "a.mp4", caption=FilmCaption("m", "Café", note="2D only"), fps=25.0,
    )  # fmt: skip
    film = read_film(info.path)
    assert colour_share(film[5][:PANEL_PX, :640], Limb.LEFT_LEG, 50) > 0.001
    assert colour_share(film[5][:PANEL_PX, 640:], Limb.LEFT_LEG, 50) == 0


# --- the file -----------------------------------------------------------------------------------


def streams(path: Path) -> str:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("size", [(63, 47), (1080, 1920), (1920, 300)])
def test_films_are_h264_of_even_size_whatever_the_video(
    size: tuple[int, int], tmp_path: Path
) -> None:
    motion = FilmMotion(8, walk(0.5, 8).astype(np.float32))
    info = write_side_by_side(
        numbered([0.0, 0.04], size), None, motion, tmp_path / "a.mp4",
        caption=FilmCaption("m"), fps=25.0,
    )  # fmt: skip
    assert info.width % 2 == info.height % 2 == 0
    said = streams(info.path)
    assert "h264" in said and "yuv420p" in said and f"{info.width}x{info.height}" in said
    data = info.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.browser
def test_a_browser_plays_the_film(tmp_path: Path) -> None:
    write_skeleton_film(walk(1.0, 30), 20.0, tmp_path / "a.mp4", caption=FilmCaption("m"))
    (tmp_path / "a.html").write_text("<video src=a.mp4 muted autoplay></video>")
    with visit(tmp_path / "a.html") as here:
        here.page.wait_for_function("document.querySelector('video').currentTime > 0.3")
        video = "document.querySelector('video')"
        assert here.page.evaluate(f"[{video}.videoWidth, {video}.error]") == [640, None]
        assert here.page.evaluate(f"{video}.duration") == pytest.approx(1.5, abs=0.1)
        assert here.complaints == []


@pytest.mark.parametrize(
    ("name", "says"),
    [("film.avi", "must end in .mp4"), ("no/film.mp4", "there is no folder"), ("dir.mp4", "folder"),
     ("x" * 300 + ".mp4", "cannot write")],
)  # fmt: skip
def test_a_bad_place_is_said_in_one_sentence(name: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "dir.mp4").mkdir()
    with pytest.raises(ValueError, match=says) as caught:
        write_skeleton_film(walk(1.0, 3), 20.0, tmp_path / name)
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["dir.mp4"]


def test_a_video_that_breaks_leaves_the_old_film_alone(tmp_path: Path) -> None:
    def broken() -> Iterator[FrameBatch]:
        yield from numbered([0.0, 0.04, 0.08])
        raise PipelineError(Reason.DECODE_ERROR, "the file ends here")

    out = tmp_path / "a.mp4"
    out.write_bytes(b"the old film")
    motion = FilmMotion(8, walk(0.5, 8).astype(np.float32))
    with pytest.raises(PipelineError, match="the file ends here"):
        write_side_by_side(broken(), None, motion, out, caption=FilmCaption("m"), fps=25.0)
    with pytest.raises(ValueError, match="no picture"):
        write_side_by_side(iter(()), None, motion, out, caption=FilmCaption("m"), fps=25.0)
    assert out.read_bytes() == b"the old film"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("reads", ["head -c 100000", "cat"], ids=["midway", "at the end"])
def test_an_ffmpeg_that_fails_is_an_error_and_leaves_nothing(
    reads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text(f"#!/bin/sh\n{reads} >/dev/null\necho 'No space left on device' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(fake))
    with pytest.raises(ValueError, match=r"a\.mp4: No space left on device"):
        write_skeleton_film(walk(1.0, 10), 20.0, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == [fake]


def test_a_killed_run_leaves_no_half_film(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import sys, time
        import numpy as np
        from pipeline.render.mp4 import mp4_writer
        with mp4_writer(sys.argv[1], (64, 64), 20.0) as write:
            for _ in range(40):
                write(np.zeros((64, 64, 3), np.uint8))
            print("half", flush=True)
            time.sleep(60)
    """)
    out = tmp_path / "a.mp4"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(out)], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None and process.stdout.readline() == b"half\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    time.sleep(0.5)  # ffmpeg sees its input end and goes
    assert not out.exists()
    write_skeleton_film(walk(1.0, 5), 20.0, out)
    assert len(read_film(out)) == 5


# --- stills, charts, player ---------------------------------------------------------------------


def test_thumbnails_are_small_jpegs(samples: Path) -> None:
    clip = truth(samples, "JumpingJack")
    data = skeleton_thumbnail(clip.joints3d, 20.0)
    assert data[:2] == b"\xff\xd8" and len(data) < 15_000
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), 1)
    assert picture.shape == (240, 240, 3)
    assert colour_share(picture[..., ::-1], Limb.LEFT_LEG) > 0.005


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-5, 1e6, allow_nan=False, width=32), min_size=1, max_size=200))
def test_a_histogram_loses_no_value(values: list[float]) -> None:
    found = histogram(values)
    assert found is not None
    assert sum(found.counts) == found.total == len(values)
    assert found.above == sum(v > found.high for v in values)
    assert found.above <= max(1, round(0.02 * len(values)) + 1)
    bars = found.bars(240, 56)
    assert all(b.x >= 0 and b.x + b.width <= 240 and b.y >= -1e-9 and b.height <= 56 for b in bars)
    assert [b.height > 0 for b in bars] == [c > 0 for c in found.counts]


def test_charts_of_nothing() -> None:
    assert histogram([]) is None
    assert histogram([float("nan")]) is None
    assert [bar.width for bar in stacked([0.0, 0.0], 100.0)] == [0.0, 0.0]
    assert [bar.label for bar in stacked([3.0, 1.0], 100.0)] == ["75%", "25%"]


def test_a_packed_motion_is_the_motion_to_a_millimetre() -> None:
    motion = walk(20.0, 30).astype(np.float32) + np.array([500.0, 0, -300], np.float32)
    packed = pack_motion(motion)
    found = np.frombuffer(base64.b64decode(packed.data), "<i2").reshape(30, 22, 3) / 1000.0
    assert np.abs(found - (motion - motion[0, 0] * [1, 0, 1])).max() < 0.0006
    long = pack_motion(walk(1.0, LONGEST_FRAMES + 100))
    assert (long.frames, long.first_frame) == (LONGEST_FRAMES, 50)
    with pytest.raises(ValueError, match="finite"):
        pack_motion(np.full((2, 22, 3), np.nan))
