"""The decoding process dies, hangs, leaks or loses its parent, and the run goes on."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from video_barcode import encode, ffmpeg, number_of

from pipeline.reasons import PipelineError, Reason
from pipeline.video import ReadLimits, read_frame_at, read_frames

ROOT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 numbered frames."""
    return encode(tmp_path_factory.mktemp("faults") / "clip.mp4")


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes at 25 fps: 15000 frames, 860 MB when decoded."""
    path = tmp_path_factory.mktemp("faults") / "long.avi"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=160x120:r=25:d=600", "-c:v", "mpeg4", "-q:v", "9", path)
    return path


def numbers(path: Path) -> list[int]:
    with read_frames(path, fps=None) as stream:
        return [number_of(frame) for batch in stream for frame in batch.frames]


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def is_gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


def break_while_reading(path: Path, how: signal.Signals, limits: ReadLimits) -> PipelineError:
    with read_frames(path, fps=None, limits=limits) as stream:
        batches = iter(stream)
        next(batches)
        pid = stream.decoder_pid
        assert pid is not None
        os.kill(pid, how)
        with pytest.raises(PipelineError) as caught:
            list(batches)
    assert is_gone(pid, 0.5)
    with pytest.raises(RuntimeError, match="read to the end"):
        _ = stream.info
    return caught.value


def test_a_killed_decoder_is_a_reason_and_the_next_clip_reads(long_clip: Path, clip: Path):
    error = break_while_reading(long_clip, signal.SIGKILL, ReadLimits())
    assert error.reason is Reason.DECODER_CRASHED and "SIGKILL" in error.detail
    assert numbers(clip) == list(range(100))


def test_a_hanging_decoder_is_a_reason_within_the_limit(long_clip: Path, clip: Path):
    start = time.monotonic()
    error = break_while_reading(long_clip, signal.SIGSTOP, ReadLimits(stall_s=1.0))
    assert error.reason is Reason.DECODE_TIMEOUT
    assert 1.0 <= time.monotonic() - start < 3.0
    assert numbers(clip) == list(range(100))


def test_a_decoder_that_died_while_idle_costs_no_clip(clip: Path):
    with read_frames(clip) as stream:
        list(stream)
        with read_frames(clip) as again:
            pid = again.decoder_pid
            list(again)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert is_gone(pid)
    assert numbers(clip) == list(range(100))


def run_script(text: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.parametrize("moment", ["mid_clip", "idle"])
def test_the_decoder_dies_with_its_parent(long_clip: Path, clip: Path, moment: str):
    parent = run_script(
        """
        import sys, time
        from pipeline.video import read_frames
        stream = read_frames(sys.argv[1], fps=None).__enter__()
        batches = iter(stream)
        next(batches)
        pid = stream.decoder_pid
        if sys.argv[2] == "idle":
            list(batches)
        print(pid, flush=True)
        time.sleep(60)
        """,
        long_clip if moment == "mid_clip" else clip,
        moment,
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not is_gone(pid, 0.1)
        parent.kill()
        assert is_gone(pid)


def test_leaving_early_keeps_the_decoder_and_harms_no_later_clip(long_clip: Path, clip: Path):
    pids = set()
    for _ in range(3):
        start = time.monotonic()
        with read_frames(long_clip, fps=None) as stream:
            next(iter(stream))
            pids.add(stream.decoder_pid)
        assert time.monotonic() - start < 3.0  # the other 14984 frames were not decoded
        assert number_of(read_frame_at(clip, 0.4).frames[0]) == 10
        assert numbers(clip) == list(range(100))
    assert len(pids) == 1


def test_an_error_of_the_consumer_passes_through(clip: Path):
    with pytest.raises(ZeroDivisionError), read_frames(clip) as stream:
        for _ in stream:
            raise ZeroDivisionError
    assert numbers(clip) == list(range(100))


def test_streams_side_by_side_and_in_threads_do_not_mix(clip: Path):
    with read_frames(clip, fps=None, batch_size=8) as a, read_frames(clip, batch_size=5) as b:
        assert a.decoder_pid != b.decoder_pid
        pairs = list(zip(a, b, strict=False))
        assert [number_of(f) for f in pairs[1][0].frames] == list(range(8, 16))
    with ThreadPoolExecutor(3) as pool:
        for read in pool.map(numbers, [clip] * 6):
            assert read == list(range(100))


def test_a_fork_of_the_parent_gets_a_decoder_of_its_own(clip: Path):
    script = run_script(
        """
        import os, sys
        from pipeline.video import read_frames
        def count():
            with read_frames(sys.argv[1], fps=None) as stream:
                pid = stream.decoder_pid
                return pid, sum(len(batch.times) for batch in stream)
        first = count()
        child = os.fork()
        if child == 0:
            pid, frames = count()
            sys.exit(0 if frames == 100 and pid != first[0] else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert count() == first
        """,
        clip,
    )
    with script:
        assert script.wait(60) == 0, script.stderr and script.stderr.read()


def test_memory_does_not_grow_with_the_length_of_the_video(long_clip: Path):
    with read_frames(long_clip, fps=None, batch_size=64) as stream:
        seen = []
        for batch in stream:
            pid = stream.decoder_pid
            assert pid is not None and batch.frames.nbytes <= 64 * 160 * 120 * 3
            seen.append((resident_bytes(pid), resident_bytes(os.getpid())))
    assert stream.info.frames_decoded == 15000
    early, late = np.max(seen[:100], axis=0), np.max(seen[100:], axis=0)
    print(f"MiB of decoder and parent: {early // MIB} early, {late // MIB} at most later")
    assert np.all(late - early < 24 * MIB)  # 8600 more frames would be 470 MiB


def test_large_pictures_do_not_pile_up_behind_a_slow_reader(tmp_path: Path):
    """Decord would decode the whole file, 830 MB, while the first batches are looked at."""
    path = tmp_path / "hd.mp4"
    source = "testsrc2=s=1280x720:r=30:d=10"
    ffmpeg("-f", "lavfi", "-i", source, "-preset", "ultrafast", "-pix_fmt", "yuv420p", path)
    with read_frames(path, batch_size=8) as stream:
        for number, _ in enumerate(stream):
            pid = stream.decoder_pid
            assert pid is not None
            time.sleep(0.05)
            assert resident_bytes(pid) < 350 * MIB, number
    assert stream.info.frames_decoded == 300 and stream.info.decoder == "opencv"


def test_memory_does_not_grow_with_the_number_of_clips(clip: Path):
    seen = []
    for _ in range(30):
        with read_frames(clip) as stream:
            pid = stream.decoder_pid
            list(stream)
            assert pid is not None
            seen.append(resident_bytes(pid))
    assert max(seen[15:]) - max(seen[5:15]) < 8 * MIB


def test_a_file_that_unpacks_to_too_much_memory_is_refused(tmp_path: Path, clip: Path):
    path = tmp_path / "bomb.mp4"
    source = "color=black:s=7680x4320:r=25:d=0.2"
    ffmpeg("-f", "lavfi", "-i", source, "-preset", "ultrafast", "-pix_fmt", "yuv420p", path)
    assert path.stat().st_size < 1 * MIB
    for memory in (450, 600):
        with pytest.raises(PipelineError) as caught:
            list(read_frames(path, limits=ReadLimits(memory_bytes=memory * MIB)))
        assert caught.value.reason is Reason.DECODER_CRASHED
    assert numbers(clip) == list(range(100))


def test_the_decoder_works_ahead_while_the_consumer_is_busy(clip: Path):
    pose_s = 0.1
    with read_frames(clip, fps=None, batch_size=10) as stream:
        batches = iter(stream)
        next(batches)
        start = time.monotonic()
        waited = 0.0
        for _ in range(9):
            time.sleep(pose_s)  # the pose estimator
            asked = time.monotonic()
            next(batches)
            waited += time.monotonic() - asked
    assert waited < 0.2 * (time.monotonic() - start)


def test_codecs_do_not_write_on_the_users_terminal(clip: Path, tmp_path: Path):
    broken = tmp_path / "broken.mp4"
    data = bytearray(clip.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 900] = bytes(900)
    broken.write_bytes(data)
    script = run_script(
        """
        import sys
        from pipeline.video import read_frames
        with read_frames(sys.argv[1]) as stream:
            list(stream)
        print(*stream.info.warnings)
        """,
        broken,
    )
    out, err = script.communicate(timeout=60)
    assert "damaged_frames" in out.split() and len(out.splitlines()) == 1
    assert err == ""


def test_the_decoding_process_imports_only_what_it_needs():
    script = run_script(
        """
        import sys
        import pipeline.video.worker
        heavy = {"torch", "scipy", "pandas", "pyarrow", "mediapipe"} & set(sys.modules)
        print(*heavy)
        """
    )
    out, err = script.communicate(timeout=60)
    assert out.split() == [], err
