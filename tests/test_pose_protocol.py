"""Frames are checked on their way in, confidences on their way out; nothing heavy is imported."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.carriers import FrameBatch
from pipeline.pose import PoseSetupError, make_estimator
from pipeline.pose.protocol import iterate_frames, trusted_confidence
from pipeline.pose.quiet import stderr_without


def _batch(times: list[float], width: int = 8, height: int = 6) -> FrameBatch:
    return FrameBatch(np.array(times), np.zeros((len(times), height, width, 3), np.uint8))


def test_frames_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="frames are 9x6, not 8x6"):
        list(iterate_frames([_batch([0.0]), _batch([0.1], width=9)], (8, 6)))


@pytest.mark.parametrize("second", [[0.1], [0.05]])
def test_times_must_increase_across_batches(second: list[float]) -> None:
    with pytest.raises(ValueError, match="increase strictly"):
        list(iterate_frames([_batch([0.0, 0.1]), _batch(second)], (8, 6)))


@given(
    joints=arrays.arrays(
        np.float32,
        (5, 2),
        elements=st.floats(-50, 150, width=32) | st.just(float("nan")),
    ),
    raw=arrays.arrays(np.float32, (5,), elements=st.floats(-2, 5, width=32)),
)
def test_only_joints_in_the_picture_are_trusted(joints: np.ndarray, raw: np.ndarray) -> None:
    got = trusted_confidence(joints, raw, (100, 80))
    assert got.dtype == np.float32
    for (x, y), before, after in zip(joints, raw, got, strict=True):
        inside = 0 <= x <= 100 and 0 <= y <= 80
        assert after == (min(max(before, 0), 1) if inside else 0)


def test_unknown_backend_is_one_sentence() -> None:
    with pytest.raises(PoseSetupError, match="no pose backend 'openpose'"):
        make_estimator("openpose")


def test_importing_the_package_imports_no_backend() -> None:
    heavy = "{'torch', 'mediapipe', 'mmpose', 'mmcv', 'matplotlib'}"
    code = (
        f"import sys, pipeline.pose, pipeline.tracking, pipeline.pose.packaged;"
        f" print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_known_chatter_goes_and_the_rest_stays(capfd: pytest.CaptureFixture[str]) -> None:
    with stderr_without(re.compile(rb"W\d+ known")):
        os.write(2, b"W01 known chatter\nE02 something broke\n")
    os.write(2, b"W03 known, but after the block\n")
    assert capfd.readouterr().err == "E02 something broke\nW03 known, but after the block\n"


def test_standard_error_is_restored_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), stderr_without(re.compile(rb"known")):
        os.write(2, b"known\nlast words\n")
        raise RuntimeError
    os.write(2, b"known again\n")
    assert capfd.readouterr().err == "last words\nknown again\n"
