"""Films are cut where the picture jumps, while they stream, and nowhere else."""

import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.carriers import FrameBatch
from pipeline.shots import ShotSettings, split_shots
from pipeline.video import read_frames

FPS = 20.0
SIZE = (64, 96)


def _scene(seed: int, frames: int) -> np.ndarray:
    """A textured picture that pans by a pixel a frame and trembles: (frames, 64, 96, 3)."""
    rng = np.random.default_rng(seed)
    wide = rng.integers(40, 216, (3, 6, 3), np.uint8)
    wide = cv2.resize(wide, (SIZE[1] + frames, SIZE[0]), interpolation=cv2.INTER_LINEAR)
    panned = np.stack([wide[:, i : i + SIZE[1]] for i in range(frames)])
    noise = rng.integers(-1, 2, panned.shape)
    return np.clip(panned + noise, 0, 255).astype(np.uint8)


def _film(*lengths: int) -> np.ndarray:
    return np.concatenate([_scene(i, length) for i, length in enumerate(lengths)])


def _batches(frames: np.ndarray, size: int) -> Iterator[FrameBatch]:
    times = np.arange(len(frames)) / FPS
    for i in range(0, len(frames), size):
        yield FrameBatch(times[i : i + size], frames[i : i + size])


def _lengths(frames: np.ndarray, size: int = 7) -> list[int]:
    shots = split_shots(_batches(frames, size), ShotSettings())
    return [sum(len(b.times) for b in shot.batches) for shot in shots]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_cuts_are_found_to_the_frame_in_any_batches(size: int) -> None:
    assert _lengths(_film(25, 17, 30), size) == [25, 17, 30]


def test_a_pan_is_no_cut_and_an_empty_film_no_shot() -> None:
    assert _lengths(_film(40)) == [40]
    assert _lengths(_film(1)) == [1]
    assert _lengths(_film(1)[:0]) == []


def test_frames_and_times_pass_unchanged_and_shots_say_where_they_begin() -> None:
    film = _film(20, 20)
    seen, starts = [], []
    for shot in split_shots(_batches(film, 6), ShotSettings()):
        starts.append((shot.index, shot.first_frame, shot.start_s))
        batches = list(shot.batches)
        assert batches[0].times[0] == shot.start_s
        seen += batches
    assert starts == [(0, 0, 0.0), (1, 20, 1.0)]
    assert np.array_equal(np.concatenate([b.frames for b in seen]), film)
    assert np.array_equal(np.concatenate([b.times for b in seen]), np.arange(40) / FPS)


@pytest.mark.parametrize("taken", [0, 3, 20])
def test_what_a_caller_leaves_of_a_shot_is_skipped(taken: int) -> None:
    starts = []
    for shot in split_shots(_batches(_film(20, 15, 20), 6), ShotSettings()):
        for _ in range(taken):
            next(shot.batches, None)
        if taken == 3:
            shot.batches.close()
        starts.append((shot.index, shot.first_frame if taken == 20 else round(shot.start_s * FPS)))
    assert starts == [(0, 0), (1, 20), (2, 35)]


def test_memory_is_flat() -> None:
    alive: list[weakref.ref] = []
    most = 0

    def watched() -> Iterator[FrameBatch]:
        nonlocal most
        for batch in _batches(_film(60), 1):
            kept = FrameBatch(batch.times, batch.frames.copy())
            alive.append(weakref.ref(kept.frames))
            yield kept
            del kept
            most = max(most, sum(ref() is not None for ref in alive))

    for shot in split_shots(watched(), ShotSettings()):
        for _ in shot.batches:
            pass
    assert most <= ShotSettings().window_width + 3


def test_settings_that_cannot_be_are_one_sentence() -> None:
    with pytest.raises(ValueError, match="window_width must be 1 or more"):
        ShotSettings(window_width=0)


@pytest.mark.shared
def test_the_cuts_of_a_real_clip_and_none_in_a_trembling_one(shared: Path) -> None:
    def starts(name: str) -> list[float]:
        with read_frames(shared / "videos" / name) as stream:
            return [round(s.start_s, 2) for s in split_shots(stream, ShotSettings())]

    assert starts("kinetics/SOX5yA1l24A.mp4") == [0.0, 4.6, 7.31, 9.74]
    assert starts("ucf101/YoYo/v_YoYo_g15_c01.avi") == [0.0]
