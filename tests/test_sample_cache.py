"""Drawn motions on disk: a killed evaluation goes on, nothing stale or damaged is ever used."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import evaluation_victim as victim
import numpy as np
import pytest
import torch
from tiny_generator import request, tiny_checkpoint

from models.evaluation import sample_cache
from models.evaluation.plan import EvaluationPlan
from models.evaluation.sample_cache import (
    Drawing,
    Wanted,
    check_space,
    drawn_shards,
    remove_partials,
    rows_of_plan,
    rows_to_draw,
)
from models.generate.generation import BatchPlan
from models.generate.sampling import SampleSettings

ROOT = Path(__file__).resolve().parent.parent
FEW = SampleSettings(steps=2)
LENGTHS = (24, 20, 40, 20, 28)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(sample_cache, "SHARD_CPU", 2)


@pytest.fixture(scope="module")
def tiny():
    return tiny_checkpoint()


@pytest.fixture
def drawing(tiny, tmp_path) -> Drawing:
    return Drawing(tiny, FEW, BatchPlan(1, 1), tmp_path, "1.0")


WANTED = [Wanted(f"motion {i}", request(frames, i)) for i, frames in enumerate(LENGTHS)]


def drawn(drawing: Drawing, wanted=WANTED) -> tuple[list[np.ndarray], list[str]]:
    shards = list(drawn_shards(drawing, wanted))
    found = {i: rows for s in shards for i, rows in zip(s.places, s.features, strict=True)}
    return [found[i] for i in range(len(wanted))], [s.state for s in shards]


def test_motions_come_back_as_they_were_drawn(drawing):
    first, how = drawn(drawing)
    assert how == ["drawn"] * 3
    again, how = drawn(drawing)
    assert how == ["read"] * 3
    without, _ = drawn(dataclasses.replace(drawing, folder=None))
    for a, b, c, frames in zip(first, again, without, LENGTHS, strict=True):
        assert a.shape == (frames, 263)
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_what_is_read_counts_as_done(drawing):
    for _ in range(2):
        count = []
        list(drawn_shards(drawing, WANTED, count.append))
        assert sum(count) == len(WANTED) * FEW.steps


@pytest.mark.parametrize(
    "fields",
    [
        {"settings": dataclasses.replace(FEW, guidance=1.0)},
        {"settings": dataclasses.replace(FEW, steps=3)},
        {"settings": dataclasses.replace(FEW, sampler="ddim")},
        {"batches": BatchPlan(2, 4)},
        {"origin": "1.1"},
        {"checkpoint": dataclasses.replace(tiny_checkpoint(), checkpoint_id="other")},
    ],
)
def test_a_changed_setting_never_meets_old_motions(drawing, fields):
    drawn(drawing)
    assert "read" not in drawn(dataclasses.replace(drawing, **fields))[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda r: dataclasses.replace(r, noise_seed=99),
        lambda r: dataclasses.replace(r, frames=r.frames - 4),
        lambda r: dataclasses.replace(r, text=r.text + 1),
    ],
)
def test_a_changed_motion_is_drawn_again_and_the_others_are_not(drawing, change):
    drawn(drawing)
    last = LENGTHS.index(40)  # alone in the last shard
    wanted = [Wanted(w.name, change(w.request)) if i == last else w for i, w in enumerate(WANTED)]
    assert drawn(drawing, wanted)[1] == ["read", "read", "drawn"]


def damage_bytes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 0x40
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def nonsense(path: Path) -> None:
    path.write_bytes(b"\xff" * 200)


def another_file(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"features": np.zeros((3, 263), np.float32)}, path)


@pytest.mark.parametrize("damage", [damage_bytes, cut, empty, nonsense, another_file])
def test_a_damaged_file_is_drawn_again_and_told(drawing, damage):
    first, _ = drawn(drawing)
    path = sorted(drawing.folder.rglob("*.safetensors"))[0]
    damage(path)
    again, how = drawn(drawing)
    assert sorted(how) == ["damaged", "read", "read"]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert drawn(drawing)[1] == ["read"] * 3


def test_a_checkpoints_name_makes_no_way_out_of_the_folder(drawing, tmp_path):
    bad = dataclasses.replace(drawing.checkpoint, checkpoint_id="../../x/y")
    drawn(dataclasses.replace(drawing, checkpoint=bad, folder=tmp_path / "a"))
    assert {p.parent.parent for p in tmp_path.rglob("*.safetensors")} == {tmp_path / "a"}


def test_a_full_disk_is_told_before_anything_is_drawn(tmp_path):
    check_space(tmp_path, 1000, 263, lambda: 0)
    with pytest.raises(
        ValueError, match=r"drawn take 1052000000.0 GB, .* or --multimodality-texts 0"
    ):
        check_space(tmp_path, 10**15, 263, lambda: 10**15)


def test_only_files_that_will_be_read_save_space(drawing, monkeypatch):
    rows, width = sum(LENGTHS), 263
    assert rows_to_draw(drawing, WANTED) == rows
    drawn(drawing)
    assert rows_to_draw(drawing, WANTED) == 0
    stale = dataclasses.replace(drawing, origin="1.1")  # another code's motions save nothing
    assert rows_to_draw(stale, WANTED) == rows
    sorted(drawing.folder.rglob("*.safetensors"))[0].unlink()
    assert 0 < rows_to_draw(drawing, WANTED) < rows
    free = SimpleNamespace(free=rows * width * 4 - 1)
    monkeypatch.setattr(sample_cache, "disk_usage", lambda folder: free)
    check_space(drawing.folder, rows, width, lambda: rows_to_draw(drawing, WANTED))
    with pytest.raises(ValueError, match="still to be drawn take"):
        check_space(drawing.folder, rows, width, lambda: rows_to_draw(stale, WANTED))


def test_a_finished_evaluation_needs_no_space(tmp_path, monkeypatch):
    first = victim.evaluate(tmp_path)
    monkeypatch.setattr(sample_cache, "disk_usage", lambda folder: SimpleNamespace(free=0))
    again = victim.evaluate(tmp_path)
    assert victim.scores(again) == victim.scores(first)
    assert set(again.shards) == {"read"}


def test_processes_write_beside_each_other_and_leave_nothing_half_written(drawing, monkeypatch):
    """Two that draw one shard at a time write partial files of their own."""
    names, replace = [], Path.replace

    def kept(path: Path, target: Path) -> Path:
        names.append(path.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", kept)
    for pid in (1, 2):
        monkeypatch.setattr(sample_cache.os, "getpid", lambda pid=pid: pid)
        drawn(dataclasses.replace(drawing, folder=drawing.folder / str(pid)))
    assert len(set(names)) == len(names) == 6
    left = drawing.folder / "1" / "tiny" / "x.9.partial"
    left.write_bytes(b"half")
    remove_partials(drawing.folder)
    assert not left.exists()
    assert len(list(drawing.folder.rglob("*.*"))) == 6


def test_rows_of_a_plan_are_those_that_are_drawn():
    plan = EvaluationPlan(replications=3, multimodality_texts=2, multimodality_samples=10)
    assert rows_of_plan([20, 40, 60], plan) == 3 * (120 + 2 * 10 * 40)


# Killed


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return victim.scores(victim.evaluate(tmp_path_factory.mktemp("unbroken")))


def start(out: Path, pause: float) -> subprocess.Popen:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "evaluation_victim.py"), str(out), str(pause)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize("steps", [45])
def test_a_killed_evaluation_goes_on_to_the_same_scores(tmp_path, unbroken, steps):
    process = start(tmp_path, 0.02)
    for line in process.stdout:
        if int(line) >= steps:  # of 80; a shard has 8
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "scores.json").exists()
    kept = len(list(tmp_path.rglob("*.safetensors")))
    assert 0 < kept < 12
    torch.set_num_threads(1)
    report = victim.evaluate(tmp_path)
    assert victim.scores(report) == unbroken
    assert report.shards["read"] == kept
    assert report.shards["drawn"] == 12 - kept
