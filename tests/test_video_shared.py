"""Real clips: UCF101, HMDB51, Kinetics and the hard files, against their manifest."""

import csv
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.carriers import FrameBatch, VideoInfo
from pipeline.reasons import PipelineError, Reason
from pipeline.video import find_videos, read_frames

pytestmark = pytest.mark.shared
ROTATED = "hard/video_90.mov"
MIN_FRAMES_PER_SECOND = 600


@pytest.fixture(scope="module")
def videos(shared: Path) -> Path:
    return shared / "videos"


def read_all(path: Path, fps: float | None = None) -> tuple[FrameBatch, VideoInfo]:
    with read_frames(path, fps=fps) as stream:
        batches = list(stream)
    frames = np.concatenate([batch.frames for batch in batches])
    times = np.concatenate([batch.times for batch in batches])
    return FrameBatch(times=times, frames=frames), stream.info


def reason_of(path: Path) -> Reason:
    with pytest.raises(PipelineError) as caught:
        read_all(path)
    return caught.value.reason


def test_every_readable_clip_agrees_with_the_manifest(videos: Path):
    with (videos / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["frames_decoded"]]
    wrong = []
    for row in rows:
        times, size, info = [], set(), None
        with read_frames(videos / row["path"], fps=None) as stream:
            for batch in stream:
                times.extend(batch.times)
                size.add(batch.frames.shape[1:3])
        info = stream.info
        width, height = int(row["width"]), int(row["height"])
        if row["path"] == ROTATED:
            width, height = height, width
        header = int(row["frames_header"]) if row["frames_header"] else None
        good = (
            len(times) == info.frames_decoded == int(row["frames_decoded"])
            and size == {(height, width)} == {(info.height, info.width)}
            and info.frames_header == header
            and abs(info.fps - float(row["fps"])) < 0.05 * float(row["fps"])
            and times[0] == 0
            and bool(np.all(np.diff(times) > 0))
            and ("header_frame_count" in info.warnings) == (header not in {None, len(times)})
        )
        if not good:
            wrong.append((row["path"], len(times), size, info))
    assert len(rows) >= 30 and not wrong, wrong


def test_the_tree_is_found_whole_with_its_ucf101_names(videos: Path):
    clips = {clip.name: clip for clip in find_videos(videos)}
    with (videos / "manifest.csv").open(newline="") as file:
        assert set(clips) == {row["path"] for row in csv.DictReader(file)}
    yoyo = clips["ucf101/YoYo/v_YoYo_g16_c01.avi"]
    assert (yoyo.action, yoyo.group, yoyo.clip) == ("YoYo", 16, 1)


def test_rotation_metadata_makes_the_clip_portrait(videos: Path):
    read, info = read_all(videos / ROTATED)
    assert read.frames.shape == (3, 568, 320, 3)
    assert (info.rotation_deg, info.width, info.height) == (90, 320, 568)


def test_damaged_packets_cost_one_frame(videos: Path):
    read, info = read_all(videos / "hard" / "corrupted.mp4")
    assert info.frames_decoded == 49 and info.frames_header == 50
    assert {"damaged_frames", "header_frame_count"} <= set(info.warnings)
    assert np.allclose(read.times, np.delete(np.arange(50), 30) / 10, atol=1e-3)


def test_out_of_order_timestamps_come_out_in_order(videos: Path):
    read, info = read_all(videos / "hard" / "unordered.mov")
    assert info.frames_decoded == 4
    assert np.allclose(read.times, np.arange(4) / 32, atol=1e-4)


def test_five_frames_at_five_fps_all_come(videos: Path):
    read, _ = read_all(videos / "hard" / "demo.mp4", fps=20)
    assert np.allclose(read.times, np.arange(5) / 5, atol=1e-4)


def test_a_gap_between_frames_stays(videos: Path):
    read, info = read_all(videos / "hard" / "part_0.mp4")
    assert info.frames_decoded == 32
    assert np.diff(read.times).max() == pytest.approx(2 / 30, abs=1e-3)


def test_hard_files_that_are_no_video_have_their_reasons(videos: Path):
    assert reason_of(videos / "hard" / "1725939396.8060284_run.mp4") is Reason.NO_MOOV
    assert reason_of(videos / "hard" / "cam1.mp4") is Reason.NOT_A_VIDEO


def test_an_elementary_stream_named_mp4_is_read_in_full_and_in_order(videos: Path):
    read, info = read_all(videos / "ucf101" / "Fencing" / "v_Fencing_g01_c06.mp4")
    assert info.frames_decoded == 174 and info.decoder == "opencv"
    change = np.abs(np.diff(read.frames[:, ::4, ::4].astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
    assert np.all(change > 0), "a frame was repeated"
    assert np.allclose(read.times, np.arange(174) / 25, atol=1e-3)


def test_hmdb51_clips_hold_one_frame_fewer_than_they_say(videos: Path):
    for path in sorted((videos / "hmdb51").glob("*.avi")):
        _, info = read_all(path)
        assert info.frames_header == info.frames_decoded + 1
        assert "header_frame_count" in info.warnings


def test_decoding_and_transfer_keep_up(videos: Path):
    """Frames a second through the process boundary, for 320 x 240 clips; the best of three."""
    clips = sorted((videos / "ucf101").rglob("*.avi"))
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        frames = 0
        for path in clips:
            with read_frames(path, fps=None) as stream:
                frames += sum(len(batch.times) for batch in stream)
        best = max(best, frames / (time.perf_counter() - start))
    print(f"decode and transfer: {best:.0f} frames/s over {len(clips)} UCF101 clips")
    assert best >= MIN_FRAMES_PER_SECOND
