"""Camera paths as arithmetic: inverses, identities, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.camera.path import CameraPath, between
from pipeline.camera.similarity import after, at_times, from_matrix, move, move_back


def some_path(seed: int, frames: int = 12) -> CameraPath:
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, [0.05, 0.05, 8, 8], (frames, 4))
    times = np.cumsum(rng.uniform(0.02, 0.2, frames))
    return CameraPath(times, np.cumsum(steps, axis=0), quality=0.5, moved=True)


@given(seed=st.integers(0, 10_000))
def test_to_picture_undoes_to_first_at_any_time(seed: int) -> None:
    path, rng = some_path(seed), np.random.default_rng(seed)
    times = rng.uniform(path.times[0] - 1, path.times[-1] + 1, 9)
    points = rng.uniform(-500, 1500, (9, 5, 2))
    points[3, 2] = np.nan
    for back in (
        path.to_picture(path.to_first(points, times), times),
        path.to_first(path.to_picture(points, times), times),
    ):
        np.testing.assert_allclose(back, points, atol=1e-8)


@given(seed=st.integers(0, 10_000))
def test_similarities_follow_one_another_as_points_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, [0.3, 1, 50, 50], (2, 6, 4))
    points = rng.uniform(0, 300, (6, 4, 2))
    np.testing.assert_allclose(move(after(a, b), points), move(a, move(b, points)), atol=1e-8)
    np.testing.assert_allclose(move_back(a, move(a, points)), points, atol=1e-8)


def test_a_matrix_of_opencv_moves_points_as_it_says() -> None:
    matrix = np.array([[1.1, -0.3, 20.0], [0.3, 1.1, -7.0]])
    points = np.array([[[3.0, 4.0], [100.0, 50.0]]])
    expected = points @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(move(from_matrix(matrix)[None], points), expected, atol=1e-9)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_camera_that_did_not_move_changes_no_bit(kind: type) -> None:
    path = CameraPath(np.arange(5.0), np.zeros((5, 4)), quality=0.9, moved=False)
    points = np.random.default_rng(0).uniform(-1e4, 1e4, (7, 33, 2)).astype(kind)
    points[2, 4] = np.nan
    times = np.linspace(-1, 6, 7)
    for moved in (path.to_first(points, times), path.to_picture(points, times)):
        assert moved.dtype == kind
        np.testing.assert_array_equal(moved, points)


def test_between_frames_scale_angle_and_shift_lie_between_and_beyond_they_stay() -> None:
    times, ends = np.array([1.0, 3.0]), np.array([[0.0, 0, 0, 0], [np.log(4.0), 0.2, 10, -6]])
    middle, early, late = at_times(times, ends, np.array([2.0, 0.0, 9.0]))
    np.testing.assert_allclose(middle, [np.log(2.0), 0.1, 5, -3])
    np.testing.assert_array_equal(early, ends[0])
    np.testing.assert_array_equal(late, ends[1])


@pytest.mark.parametrize(
    ("times", "similarity", "told"),
    [
        ([], np.zeros((0, 4)), "at least one"),
        ([0.0, 1.0], np.zeros((3, 4)), "for each of its frames"),
        ([0.0, 0.0], np.zeros((2, 4)), "increase strictly"),
        ([0.0], np.full((1, 4), np.nan), "finite"),
    ],
)
def test_a_path_that_cannot_be_followed_is_refused(times, similarity, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        CameraPath(np.asarray(times, float), similarity, quality=1.0, moved=True)


def test_points_without_their_times_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, J, 2\) with N times"):
        some_path(0).to_first(np.zeros((4, 22, 2)), np.arange(3.0))


def test_the_room_knows_no_person_but_by_tracks() -> None:
    """The camera reads the estimator's promise, not an estimator."""
    folder = Path(__file__).resolve().parent.parent / "pipeline" / "camera"
    text = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    assert "pipeline.pose.protocol" in text
    assert "make_estimator" not in text


def test_frames_between_the_known_ones_lie_on_a_curve_and_a_camera_that_stood_stands() -> None:
    times = np.arange(41) / 20
    shake = np.zeros((41, 4))
    shake[:, 2] = np.where(times < 1, 0.0, 3 * np.sin(2 * np.pi * 1.5 * (times - 1)))
    known = CameraPath(times[::2], shake[::2], quality=1.0, moved=True)
    whole = between(known, times)
    np.testing.assert_array_equal(whole.similarity[::2], known.similarity)
    assert (whole.similarity[:19] == 0).all()
    lines = at_times(known.times, known.similarity, times)
    off, off_lines = (np.abs(s - shake)[24:-4, 2].mean() for s in (whole.similarity, lines))
    assert off < off_lines / 2
    assert between(known, known.times) is known


@pytest.mark.parametrize("known", [1, 2, 3, 4, 5])
def test_a_path_of_few_frames_can_be_filled(known: int) -> None:
    rows = np.zeros((known, 4))
    rows[:, 2] = np.arange(known)
    path = CameraPath(np.arange(known) / 10, rows, quality=1.0, moved=True)
    times = np.arange(2 * known - 1) / 20
    np.testing.assert_allclose(between(path, times).similarity[:, 2], 10 * times, atol=1e-12)
