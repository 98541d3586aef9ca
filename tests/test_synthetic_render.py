"""Rendered clips with known 3D: poses, floor, cameras, pictures that agree with the truth."""

import dataclasses
import itertools
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from truth_clips import all_truth_clips, canonical_motion

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `pytest` alone does not

from models.data.motion import Motion
from pipeline.parametric_body.posed import PosedBody
from pipeline.parametric_body.posing import JOINT, bone_turns, pose_body
from pipeline.parametric_body.rest import read_body
from pipeline.skeletons import HUMANML3D
from pipeline.views import project_view
from tests.benchmarks.synthetic.cameras import FPS, HEIGHT, KINDS, WIDTH, Shoot, film_track
from tests.benchmarks.synthetic.choose import AZIMUTHS, choose
from tests.benchmarks.synthetic.clothes import draw_outfit, dress, parts_of
from tests.benchmarks.synthetic.film import Take, pictures, resample, set_up, truth, write_clip
from tests.benchmarks.synthetic.raster import draw, surface
from tests.benchmarks.synthetic.scene import draw_room
from tests.benchmarks.synthetic.skinning import direction_error_deg, settle


@pytest.fixture(scope="module")
def body():
    return read_body()


@pytest.fixture(scope="module")
def jumping():
    return canonical_motion("JumpingJack").astype(np.float64)


def take(kind="static", azimuth=0.0, seed=3):
    return Take("Jump/v_Jump_g01_c01", "m", "Jump", "a person jumps.", kind, azimuth, seed)


def filmed(body, motion, **wanted):
    return set_up(take(**wanted), motion, lambda person: body)


@pytest.mark.parametrize("action", ["JumpingJack", "SitDown", "Cartwheel"])
def test_limbs_point_where_the_captured_ones_do(body, action):
    captured = canonical_motion(action).astype(np.float64)
    posed = PosedBody(body, pose_body(body, captured))
    assert direction_error_deg(posed.joints(), captured) < 0.1
    turns = bone_turns(body, captured)
    eye = np.broadcast_to(np.eye(3), turns.shape)
    assert np.allclose(turns @ np.swapaxes(turns, -1, -2), eye, atol=1e-6)
    assert np.allclose(np.linalg.det(turns), 1.0)  # mirrored bones would turn the skin inside out


def test_a_mirrored_motion_is_seen_by_the_measure_of_directions(body, jumping):
    posed = PosedBody(body, pose_body(body, jumping * [-1.0, 1.0, 1.0]))
    assert direction_error_deg(posed.joints(), jumping) > 10


@pytest.mark.parametrize("action", ["JumpingJack", "SitDown", "Cartwheel"])
def test_no_bone_spins_between_two_frames(body, action):
    """A twist that flips, as at a straight elbow, would wring the skin."""
    captured = resample(canonical_motion(action), 20.0, FPS)
    turns = bone_turns(body, captured)
    step = np.swapaxes(turns[:-1], -1, -2) @ turns[1:]
    angle = np.degrees(np.arccos(np.clip((np.trace(step, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))
    assert angle.max() < 75


def test_the_rest_pose_is_anatomical(body):
    left, right = (body.joints[[JOINT[f"{s}_{p}"] for p in ("hip", "wrist")]] for s in
                   ("left", "right"))  # fmt: skip
    assert (left[:, 0] > 0).all() and (right[:, 0] < 0).all()
    foot, ankle = body.joints[JOINT["left_foot"]], body.joints[JOINT["left_ankle"]]
    assert foot[2] > ankle[2] + 0.1  # faces +Z
    assert body.joints[JOINT["head"], 1] > body.joints[JOINT["neck"], 1] > 0.4
    assert np.allclose(body.weights.sum(1), 1.0, atol=1e-5)


def test_the_body_stands_on_the_floor_and_jumps_off_it(body, jumping):
    captured = resample(jumping, 20.0, FPS)
    captured[40:52, :, 1] += 0.4 * np.sin(np.linspace(0, np.pi, 12))[:, None]
    posed = settle(PosedBody(body, pose_body(body, captured)), captured)
    low = np.array([posed.vertices(t)[:, 1].min() for t in range(0, len(captured), 3)])
    assert np.median(np.abs(low)) < 0.01
    assert low.min() > -0.06
    assert posed.vertices(46)[:, 1].min() > 0.2


def test_skin_follows_its_joints(body, jumping):
    posed = PosedBody(body, pose_body(body, jumping))
    bone = body.bone("wrist.L")
    strongest = body.bones[np.arange(len(body.bones)), body.weights.argmax(1)]
    for frame in (0, len(jumping) // 2):
        hand = posed.vertices(frame)[strongest == bone].mean(0)
        assert np.linalg.norm(hand - posed.joints()[frame, JOINT["left_wrist"]]) < 0.08


@pytest.mark.parametrize("kind", KINDS)
def test_cameras_do_what_they_are_called(kind, jumping):
    walking = resample(jumping, 20.0, FPS)
    walking = walking + np.linspace(0, 1.5, len(walking))[:, None, None] * [1.0, 0.0, 0.0]
    shoot = Shoot(kind, 30.0, 8.0, 58.0, 5.0, zoom=1.5 if kind == "zoom" else 1.0, seed=1)
    track = film_track(shoot, walking)
    focal, turned = track.k[:, 0, 0], np.abs(track.r - track.r[:1]).max()
    moved = np.ptp(np.stack([track.place(t) for t in range(len(walking))]), axis=0).max()
    assert np.allclose(track.r @ np.swapaxes(track.r, 1, 2), np.eye(3), atol=1e-9)
    assert (np.diff(focal) >= 0).all() and (np.ptp(focal) > 50) == (kind == "zoom")
    assert (turned > 0.02) == (kind in ("pan", "handheld"))
    assert (moved > 0.005) == (kind == "handheld")
    across = track.project(walking)[:, 0, 0]
    if kind in ("pan", "handheld"):
        assert np.abs(across - WIDTH / 2).max() < 60


@pytest.mark.parametrize("azimuth", [0.0, 90.0, 200.0])
def test_azimuth_means_what_it_means_in_the_project(jumping, azimuth):
    track = film_track(Shoot("static", azimuth, 0.0, 50.0, 60.0), jumping)
    px = track.project(jumping)
    seen = (px - px[:, :1]) * [1.0, -1.0]
    view = project_view(jumping, azimuth)
    view = view - view[:, :1]
    scale = (seen * view).sum() / (view**2).sum()
    assert np.abs(seen / scale - view).max() < 0.03


def test_the_picture_shows_the_body_where_the_truth_says(body, jumping):
    """Two pictures that differ in clothes alone differ where the body is."""
    one = filmed(body, jumping[20:30], azimuth=40.0)
    rng = np.random.default_rng(0)
    room, light = draw_room(rng), np.array([0.3, 0.9, 0.3], np.float32)
    vertices, camera = one.posed.vertices(5), one.camera
    shown = []
    for colour in ((250, 250, 250), (5, 5, 5)):
        outfit = draw_outfit(np.random.default_rng(1))
        outfit = dataclasses.replace(
            outfit, skin=colour, hair=colour, shirt=(colour, colour), trousers=colour, shoes=colour
        )
        parts = np.zeros_like(parts_of(body, outfit))
        kept = surface(body.faces, parts, dress(body, parts), outfit, room, light)
        noise = np.random.default_rng(2)
        shown.append(draw(kept, vertices, camera.k[5], camera.r[5], camera.t[5], noise))
    mask = np.abs(shown[0].astype(int) - shown[1]).max(-1) > 60
    px = camera.project(one.posed.joints())[5]
    inner = [JOINT[n] for n in HUMANML3D.joint_names if not n.endswith(("foot", "collar"))]
    assert mask[tuple(np.rint(px[inner] - 0.5).astype(int).T[::-1])].mean() > 0.9
    outline = camera.project(vertices[None].repeat(len(camera.k), 0).astype(np.float64))[5]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert np.allclose(box, [*outline.min(0), *outline.max(0)], atol=1.6)


def test_the_background_moves_as_the_camera_does(body, jumping):
    """A point of the far wall goes where the camera's matrices send it."""
    one = filmed(body, jumping[:30], kind="handheld", seed=8)
    first, last = itertools.islice(pictures(one), 0, 30, 29)
    k, r = one.camera.k, one.camera.r
    turn = k[29] @ r[29] @ r[0].T @ np.linalg.inv(k[0])  # of what is far away
    moved = cv2.warpPerspective(first, turn, (WIDTH, HEIGHT))
    top = slice(20, 60), slice(60, 260)

    def off(a, b):
        return np.abs(a[top].astype(float) - b[top]).mean()

    assert off(moved, last) < 0.7 * off(first, last)


def test_the_same_take_gives_the_same_file(body, jumping, tmp_path):
    for name in ("a", "b"):
        write_clip(filmed(body, jumping[:8], kind="pan"), tmp_path / name)
    (one, other) = (tmp_path / n / "Jump" / "v_Jump_g01_c01.avi" for n in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()
    write_clip(filmed(body, jumping[:8], kind="pan", seed=4), tmp_path / "c")
    assert (tmp_path / "c" / "Jump" / "v_Jump_g01_c01.avi").read_bytes() != one.read_bytes()
    video = cv2.VideoCapture(str(one))
    frames = [video.read()[1] for _ in range(int(video.get(cv2.CAP_PROP_FRAME_COUNT)))]
    assert frames[0].shape == (HEIGHT, WIDTH, 3)
    assert video.get(cv2.CAP_PROP_FPS) == FPS
    assert b"XVID" in one.read_bytes()[:400]
    with np.load(one.with_suffix(".truth.npz"), allow_pickle=False) as file:
        assert len(file["joints2d_px"]) == len(frames)


def test_the_truth_has_all_that_the_samples_have(body, jumping):
    told = truth(filmed(body, jumping[:20], kind="zoom"))
    sample = all_truth_clips()["JumpingJack"].video.with_suffix(".truth.npz")
    with np.load(sample, allow_pickle=False) as file:
        for name in file.files:
            assert told[name].shape[1:] == file[name].shape[1:], name
        assert (told["joint_names"] == file["joint_names"]).all()
        assert (told["coco_names"] == file["coco_names"]).all()
    flat = np.einsum("txy,tjy->tjx", told["R"], told["joints3d_world"]) + told["t"][:, None]
    px = np.einsum("txy,tjy->tjx", told["K"], flat)
    assert np.allclose(px[..., :2] / px[..., 2:], told["joints2d_px"], atol=0.01)


def motions(count):
    joints = np.zeros((50, 22, 3), np.float32)
    actions = ["walk", "run", "climb ladder", "jump high"]
    return [
        Motion(f"m{i}", "test", joints, ("a person moves.",), np.zeros((0, 0), np.float32),
               action=actions[i % 4], mirrored=i % 8 == 7)
        for i in range(count)
    ]  # fmt: skip


def test_takes_are_balanced_and_do_not_depend_on_how_many_are_asked_for():
    takes = [t for t, _ in choose(motions(100), 32, seed=1)]
    assert [t for t, _ in choose(motions(100), 5, seed=1)] == takes[:5]
    assert [t for t, _ in choose(motions(100), 5, seed=2)] != takes[:5]
    kinds = [t.kind for t in takes]
    bins = [round(t.azimuth_deg / 360 * AZIMUTHS) % AZIMUTHS for t in takes]
    assert all(kinds.count(kind) == 8 for kind in KINDS)
    assert len(set(zip(kinds, bins, strict=True))) == 32
    assert {t.action for t in takes[:3]} == {"Walk", "Run", "JumpHigh"}
    assert len({t.motion_id for t in takes}) == 32
    assert len({t.name for t in takes}) == 32


def test_more_clips_than_motions_is_said_in_a_sentence():
    with pytest.raises(ValueError, match="only 5 motions can be filmed, 7 were asked for"):
        choose(motions(8), 7, seed=1)


def test_a_missing_ffmpeg_result_leaves_no_clip(body, jumping, tmp_path, monkeypatch):
    from tests.benchmarks.synthetic import film

    monkeypatch.setattr(film, "QUALITY", "no number")
    with pytest.raises(ValueError, match="cannot write"):
        write_clip(filmed(body, jumping[:3]), tmp_path)
    assert not list(tmp_path.rglob("*.avi"))
