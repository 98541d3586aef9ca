"""Frames and times of synthetic videos: the right picture at the right time, whatever the file."""

from pathlib import Path

import numpy as np
import pytest
from video_barcode import FPS, barcode, cut_bytes, encode, ffmpeg, number_of, remux

from pipeline.carriers import FrameBatch, VideoInfo
from pipeline.reasons import PipelineError, Reason
from pipeline.video import ReadLimits, content_hash, read_frame_at, read_frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def base(folder: Path) -> Path:
    """100 frames, 25 fps, H.264 with B-frames, in an MP4."""
    return encode(folder / "base.mp4")


def read_all(path: Path, fps: float | None = None, **options) -> tuple[FrameBatch, VideoInfo]:
    with read_frames(path, fps=fps, **options) as stream:
        batches = list(stream)
    frames = np.concatenate([batch.frames for batch in batches])
    times = np.concatenate([batch.times for batch in batches])
    return FrameBatch(times=times, frames=frames), stream.info


def reason_of(path: Path, **options) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        read_all(path, **options)
    return caught.value


def numbers(read: FrameBatch) -> list[int]:
    return [number_of(frame) for frame in read.frames]


def test_every_frame_comes_once_in_order_with_its_time_and_colour(base: Path):
    read, info = read_all(base)
    assert numbers(read) == list(range(100))
    assert np.allclose(read.times, np.arange(100) / FPS, atol=1e-5)
    assert np.abs(read.frames[7].astype(int) - barcode(7).astype(int)).mean() < 12  # RGB, not BGR
    assert (info.frames_decoded, info.frames_header, info.decoder) == (100, 100, "decord")
    assert (info.width, info.height, info.rotation_deg) == (160, 96, 0)
    assert info.fps == pytest.approx(25) and info.duration_s == pytest.approx(4)
    assert info.warnings == () and info.size_bytes == base.stat().st_size
    assert info.content_hash == content_hash(base)


@pytest.mark.parametrize("container", ["avi", "mkv", "mov", "flv", "ts", "h264", "mpg"])
def test_all_frames_survive_every_container(folder: Path, base: Path, container: str):
    """Decord alone loses the first group of pictures of a transport stream, and refuses others."""
    path = folder / f"copy.{container}"
    remux(base, path) if container != "mpg" else encode(path, "-c:v", "mpeg2video", "-q:v", "3")
    read, info = read_all(path)
    assert numbers(read) == list(range(100))
    assert np.allclose(read.times, np.arange(100) / FPS, atol=2e-3)
    assert info.frames_decoded == 100
    assert ("times_from_index" in info.warnings) == (container == "h264")


def test_avi_with_b_frames_has_no_times_for_some_but_all_come_out(folder: Path):
    path = encode(folder / "b.avi", "-c:v", "mpeg4", "-bf", "2", "-q:v", "3")
    read, info = read_all(path)
    assert numbers(read) == list(range(100)) and info.warnings == ()
    assert np.allclose(read.times, np.arange(100) / FPS, atol=2e-3)


def test_an_edit_list_hides_frames_that_decord_would_make_up_by_repeats(folder: Path, base: Path):
    path = remux(base, folder / "cut.mp4", before=("-ss", "0.7"))
    read, info = read_all(path)
    assert numbers(read) == list(range(18, 100))
    assert read.times[0] == 0 and read.times[-1] == pytest.approx(81 / FPS, abs=1e-3)
    assert info.frames_decoded == 82 and info.frames_header == 100
    assert info.decoder == "opencv" and info.warnings == ("header_frame_count",)


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("container", ["mp4", "edit.mp4"])
def test_rotation_is_applied_by_both_decoders(folder: Path, base: Path, turn: int, container: str):
    start = ("-ss", "0.7") if container == "edit.mp4" else ()  # the edit list makes OpenCV read it
    path = folder / f"rot{turn}.{container}"
    remux(base, path, before=("-display_rotation", str(-turn), *start))
    read, info = read_all(path)
    upright = np.rot90(read.frames, k=turn // 90, axes=(1, 2))  # undo the clockwise turn
    first = 18 if start else 0
    assert [number_of(frame) for frame in upright] == list(range(first, 100))
    assert info.rotation_deg == turn and info.decoder == ("opencv" if start else "decord")
    assert (info.width, info.height) == ((160, 96) if turn == 180 else (96, 160))


def test_variable_frame_rate_keeps_true_times(folder: Path, base: Path):
    kept = "not(between(n,10,30))*not(eq(mod(n,7),3))"
    path = folder / "vfr.mp4"
    ffmpeg("-i", base, "-vf", f"select='{kept}'", "-fps_mode", "vfr", "-pix_fmt", "yuv420p", path)
    read, _ = read_all(path)
    expected = [n for n in range(100) if not (10 <= n <= 30 or n % 7 == 3)]
    assert numbers(read) == expected
    assert np.allclose(read.times, np.asarray(expected) / FPS, atol=1e-3)
    sampled, _ = read_all(path, fps=20)
    gap = np.diff(sampled.times).max()
    assert gap == pytest.approx(23 / FPS, abs=1e-3)  # the hole stays a hole


@pytest.mark.parametrize(("rate", "emitted"), [(25, 80), (60, 35), (5, 100), (20, 100)])
def test_sampling_is_by_time(folder: Path, rate: int, emitted: int):
    """100 frames last 100 / rate seconds: about 20 a second of those, never more than there are."""
    path = encode(folder / f"rate{rate}.mp4", rate=rate)
    read, info = read_all(path, fps=20)
    picked = numbers(read)
    assert abs(len(picked) - emitted) <= 1 and len(set(picked)) == len(picked)
    assert np.allclose(read.times, np.asarray(picked) / rate, atol=1e-4)
    grid = np.arange(int(read.times[-1] * 20) + 1) / 20
    nearest = np.abs(grid[:, None] - read.times[None]).min(axis=1)
    assert nearest.max() <= 0.5 / rate + 1e-3
    assert info.frames_decoded == 100


def test_batches_are_of_the_size_asked_and_small_for_large_pictures(folder: Path, base: Path):
    with read_frames(base, fps=None, batch_size=16) as stream:
        assert [len(batch.times) for batch in stream] == [16] * 6 + [4]
    large = folder / "large.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=3840x2160:r=25:d=0.12", "-pix_fmt", "yuv420p", large)
    with read_frames(large, fps=None, batch_size=16) as stream:
        sizes = [batch.frames.nbytes for batch in stream]
    assert sizes == [3840 * 2160 * 3] * 3  # one alone is more than a batch should weigh


def test_info_is_refused_before_the_last_batch(base: Path):
    with read_frames(base) as stream:
        next(iter(stream))
        with pytest.raises(RuntimeError, match="read to the end"):
            _ = stream.info


def test_a_stream_is_read_once(base: Path):
    with read_frames(base) as stream:
        first = iter(stream)
        next(first)
        stream.close()
        with pytest.raises(RuntimeError, match="once"):
            next(first)
    stream = read_frames(base)
    assert sum(len(batch.times) for batch in stream) == 80  # without `with`
    assert stream.info.frames_decoded == 100
    with pytest.raises(RuntimeError, match="once"):
        list(stream)


def test_one_frame_by_time(base: Path):
    batch = read_frame_at(base, 1.73)
    assert numbers(batch) == [43] and batch.times == pytest.approx([1.72], abs=1e-4)
    assert numbers(read_frame_at(base, 99.0)) == [99]
    assert numbers(read_frame_at(base, -1.0)) == [0]


def test_known_hash_is_taken_over(base: Path):
    assert read_all(base, known_hash="ab" * 32)[1].content_hash == "ab" * 32


@pytest.fixture(scope="module")
def large(folder: Path, base: Path) -> Path:
    """The same frames eight times as wide and high: 295 MB, too much for decord's queues."""
    path = folder / "times8.mp4"
    options = ("-preset", "ultrafast", "-bf", "2", "-g", "30", "-pix_fmt", "yuv420p")
    ffmpeg("-i", base, "-vf", "scale=iw*8:ih*8:flags=neighbor", *options, path)
    return path


def small_numbers(path: Path) -> tuple[list[int], list[float], VideoInfo]:
    found, times = [], []
    with read_frames(path, fps=None) as stream:
        for batch in stream:
            found += [number_of(frame[::8, ::8]) for frame in batch.frames]
            times += list(batch.times)
    return found, times, stream.info


def test_a_file_too_large_for_decord_is_read_by_opencv_at_decords_times(large: Path):
    found, times, info = small_numbers(large)
    assert found == list(range(100)) and np.allclose(times, np.arange(100) / FPS, atol=1e-4)
    assert info.decoder == "opencv" and info.warnings == () and info.frames_decoded == 100


def test_frames_missing_from_a_large_file_do_not_shift_the_times_behind_them(
    folder: Path, large: Path
):
    data = bytearray(large.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = bytes(20_000)
    path = folder / "large_damaged.mp4"
    path.write_bytes(data)
    found, times, info = small_numbers(path)
    assert 60 <= info.frames_decoded < 100 and "damaged_frames" in info.warnings
    assert np.all(np.diff(times) > 0) and len(times) == info.frames_decoded
    assert found[-10:] == list(range(90, 100))
    assert np.allclose(times[-10:], np.arange(90, 100) / FPS, atol=1e-3)


def test_a_truncated_file_gives_what_is_left_and_says_so(folder: Path, base: Path):
    fast = remux(base, folder / "fast.mp4", "-movflags", "faststart")
    mp4 = cut_bytes(fast, folder / "cut_off.mp4", 0.6)
    avi = encode(folder / "whole.avi", "-c:v", "mpeg4", "-q:v", "3")
    for path in (mp4, cut_bytes(avi, folder / "cut_off.avi", 0.6)):
        read, info = read_all(path)
        assert 30 < info.frames_decoded < 70 and info.frames_header == 100
        assert {"truncated", "header_frame_count"} <= set(info.warnings)
        whole = len(read.frames) - 2  # the frame at the cut may be half there
        assert numbers(read)[:whole] == list(range(whole))


def test_damage_in_the_middle_loses_few_frames_and_keeps_the_times_of_the_rest(
    folder: Path, base: Path
):
    data = bytearray(base.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = np.random.default_rng(1).bytes(600)
    path = folder / "damaged.mp4"
    path.write_bytes(data)
    read, info = read_all(path)
    assert info.decoder == "opencv" and 80 <= info.frames_decoded < 100
    assert {"damaged_frames", "decoder_switched", "header_frame_count"} <= set(info.warnings)
    assert np.all(np.diff(read.times) > 0)
    assert numbers(read)[-10:] == list(range(90, 100))  # from the next key frame on
    assert np.allclose(read.times[-10:], np.arange(90, 100) / FPS, atol=1e-3)


def test_a_mostly_destroyed_file_is_a_decode_error(folder: Path, base: Path):
    path = remux(base, folder / "ruin.mp4", "-movflags", "faststart")
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + len(data) // 20
    data[start:] = bytes(len(data) - start)
    path.write_bytes(data)
    assert reason_of(path).reason is Reason.DECODE_ERROR


def test_pixel_aspect_is_reported(folder: Path, base: Path):
    path = folder / "wide.mp4"
    ffmpeg("-i", base, "-vf", "setsar=4/3", "-pix_fmt", "yuv420p", path)
    _, info = read_all(path)
    assert info.pixel_aspect == pytest.approx(4 / 3) and "non_square_pixels" in info.warnings
    assert info.width == 160


def test_a_still_picture_is_not_mistaken_for_repeats(folder: Path):
    path = folder / "still.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64:r=25:d=2", "-pix_fmt", "yuv420p", path)
    _, info = read_all(path)
    assert info.frames_decoded == 50 and info.warnings == ()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_every_bad_file_has_its_reason(folder: Path, base: Path):
    noise = np.random.default_rng(0).bytes(50_000)
    sound = folder / "sound.mp4"
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", sound)
    avi = encode(folder / "header.avi", "-c:v", "mpeg4")
    expected = {
        folder / "nowhere.mp4": Reason.NOT_FOUND,
        folder: Reason.UNREADABLE,
        write(folder / "empty.mp4", b""): Reason.EMPTY_FILE,
        write(folder / "noise.avi", noise): Reason.NOT_A_VIDEO,
        write(folder / "text.mp4", b"#EXTM3U\nhttp://example.org/a.ts\n"): Reason.NOT_A_VIDEO,
        cut_bytes(base, folder / "no_index.mp4", 0.6): Reason.NO_MOOV,
        sound: Reason.NO_FRAMES,
        cut_bytes(avi, folder / "start.avi", 0.001): Reason.DECODE_ERROR,
    }
    found = {path: reason_of(path) for path in expected}
    assert {path: error.reason for path, error in found.items()} == expected
    for error in found.values():
        assert error.detail and "\n" not in error.detail and "Traceback" not in error.detail


def test_refused_by_the_system_is_unreadable(
    monkeypatch: pytest.MonkeyPatch, base: Path, tmp_path: Path
):
    """Root may read everything, so the refusal of a real open is a symbolic link in a circle."""
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    assert reason_of(loop).reason is Reason.UNREADABLE
    monkeypatch.setattr(Path, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "no")))
    with pytest.raises(PipelineError) as caught:
        content_hash(base)
    assert caught.value.reason is Reason.UNREADABLE


def test_too_many_pixels_are_refused_before_decoding(base: Path):
    error = reason_of(base, limits=ReadLimits(max_pixels=100 * 100))
    assert error.reason is Reason.FRAME_TOO_LARGE and "160 x 96" in error.detail


@pytest.mark.parametrize("wrong", [{"fps": 0}, {"fps": -1.0}, {"batch_size": 0}])
def test_nonsense_arguments_are_refused(base: Path, wrong: dict):
    with pytest.raises(ValueError, match="must be"):
        read_frames(base, **wrong)


def test_file_names_of_every_kind(base: Path, tmp_path: Path):
    for name in ("with space %03d.mp4", "a'b\"c.mp4", "übung 動画.mp4", "no_suffix"):
        assert read_all(write(tmp_path / name, base.read_bytes()))[1].frames_decoded == 100
    undecodable = Path(str(tmp_path) + "/\udcff.mp4")
    error = reason_of(write(undecodable, base.read_bytes()))
    assert error.reason is Reason.UNREADABLE and "rename" in error.detail


@pytest.mark.parametrize("wrong", [{"stall_s": 0.0}, {"threads": 0}, {"memory_bytes": 1000}])
def test_nonsense_limits_are_refused(wrong: dict):
    with pytest.raises(ValueError, match="must be"):
        ReadLimits(**wrong)
