"""Over real videos: every file one row, every failure a reason, a rerun changes nothing."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.reasons import Reason
from pipeline.video import find_videos
from storage.catalog import connect
from storage.store import open_store
from storage.versions import newest_version

EXPECTED = {
    "hard/1725939396.8060284_run.mp4": {Reason.NO_MOOV},
    "hard/cam1.mp4": {Reason.NOT_A_VIDEO},
    "hard/corrupted.mp4": {Reason.NO_PERSON},
    "hard/part_0.mp4": {Reason.NO_PERSON},
    "hard/unordered.mov": {Reason.NO_PERSON},
    "hard/video_90.mov": {Reason.NO_PERSON},
    "hard/demo.mp4": {Reason.TOO_SHORT},
    "other/demo3.mp4": {Reason.TOO_SHORT},
    "other/cam03.mp4": {Reason.TOO_SHORT},
}
"""Files whose reason follows from the file itself, not from how good the estimator is."""
MUST_BE_MOTION = (
    "ucf101/YoYo/v_YoYo_g15_c01.avi",
    "ucf101/YoYo/v_YoYo_g19_c01.avi",
    "ucf101/Archery/v_Archery_g06_c01.avi",
    "kinetics/ta_chi.mp4",
    "other/basketball.mp4",
)
RERUN_SHARE = 0.05


def ingest(videos: Path, out: Path) -> tuple[dict, float]:
    command = [Path(sys.executable).with_name("crossdiff"), "ingest", videos]
    command += ["--dataset", "wild", "--out", out, "--json"]
    began = time.monotonic()
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout), time.monotonic() - began


@pytest.fixture(scope="module")
def runs(shared: Path, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("wild") / "store"
    first = ingest(shared / "videos", out)
    before = newest_version(open_store(str(out)).location)
    second = ingest(shared / "videos", out)
    return out, first, before, second


@pytest.mark.shared
def test_every_file_has_exactly_one_row_and_every_failure_a_reason(runs, shared):
    out, (summary, _), _, _ = runs
    names = [clip.name for clip in find_videos(shared / "videos")]
    with connect(open_store(str(out))) as db:
        rows = db.execute("SELECT name, status, reason, detail FROM videos").fetchall()
    assert sorted(row[0] for row in rows) == sorted(names)
    assert summary["found"] == summary["processed"] == len(names)
    for name, status, reason, detail in rows:
        if status == "failed":
            assert reason in set(Reason), name
            assert detail and "\n" not in detail and "Traceback" not in detail, name
        for allowed in [EXPECTED[name]] if name in EXPECTED else []:
            assert status == "failed" and Reason(reason) in allowed, (name, reason, detail)
        if name in MUST_BE_MOTION:
            assert status == "ok", (name, reason, detail)


@pytest.mark.shared
def test_a_second_run_changes_no_row_and_is_quick(runs):
    out, (_, first_s), before, (summary, second_s) = runs
    assert summary["processed"] == 0
    assert summary["known"] == summary["found"]
    assert newest_version(open_store(str(out)).location) == before
    assert second_s < RERUN_SHARE * first_s, f"{second_s:.1f} s after {first_s:.1f} s"


@pytest.mark.shared
def test_header_lies_are_noticed(runs):
    out = runs[0]
    with connect(open_store(str(out))) as db:
        rows = db.execute(
            "SELECT frames_header, frames_decoded, warnings FROM videos WHERE name LIKE 'hmdb51/%'"
        ).fetchall()
    assert len(rows) == 2
    for header, decoded, warnings in rows:
        assert header == decoded + 1
        assert "header_frame_count" in warnings


@pytest.mark.shared
def test_motions_are_whole_and_plausible(runs):
    out = runs[0]
    with connect(open_store(str(out))) as db:
        rows = db.execute(
            "SELECT n_frames, joints3d, features3d, features2d, quality_reprojection_error, "
            "checkpoint_id, estimator_id, source_hash FROM motions"
        ).fetchall()
    assert len(rows) >= 20
    for n, joints, features3, features2, reprojection, checkpoint, estimator, source in rows:
        assert len(joints) == n * 22 * 3
        assert len(features3) == (n - 1) * 263
        assert len(features2) == (n - 1) * 134
        body = np.asarray(joints, np.float32).reshape(n, 22, 3)
        assert np.isfinite(body).all()
        assert 0.8 < np.ptp(body[..., 1], axis=1).max() < 2.6, "metres from lowest to highest joint"
        assert reprojection < 0.5
        assert checkpoint and estimator and len(source) == 64
