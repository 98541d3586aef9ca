"""`crossdiff export` as a user runs it: what is chosen, what is refused, what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from export_store import CAPTURED, make_export_store
from filelock import FileLock
from motion_folders import vectors, write_folder

from flows import export_sources
from flows.cli import main
from flows.listing import list_store
from pipeline.bvh_file import read_bvh
from pipeline.bvh_kinematics import joint_positions
from pipeline.export.rig import BONE_NAMES
from pipeline.generated_files import write_motion
from pipeline.representation3d import recover_joints
from pipeline.skeletons import HUMANML3D, KIT
from storage.catalog import get_motion, list_motions
from storage.decisions import Decision, current_decisions, record_decisions
from storage.export_selection import select_motions
from storage.store import Store, open_store

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Store:
    return make_export_store(tmp_path_factory.mktemp("export"), samples)


@pytest.fixture(scope="module")
def url(store: Store) -> str:
    return str(store.location.path)


def export(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict]:
    status = main(["export", *map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


def manifest(folder: Path) -> dict:
    return json.loads((folder / "export.json").read_text())


def test_one_motion_becomes_one_file(store, url, tmp_path, capsys):
    out = tmp_path / "walk.bvh"
    status, data = export(capsys, CAPTURED[0], "--store", url, "--format", "bvh", "--out", out)
    assert status == 0
    assert (data["exported"], data["rejected"], data["dropped"]) == (1, [], 0)
    places = joint_positions(read_bvh(out))
    found = np.stack([places[name] for name in BONE_NAMES], axis=1) / 100
    wanted = get_motion(store, CAPTURED[0]).motion.joints3d
    assert np.abs(found - wanted).max() < 1e-3
    assert data["deviation_max_mm"] < 1
    assert data["motions"][0]["lineage"]["estimator_id"] == "truth-1.0"
    before = out.read_bytes()
    status, data = export(capsys, CAPTURED[1], "--store", url, "--format", "bvh", "--out", out)
    assert status == 2
    assert "is there already" in data["error"]
    assert out.read_bytes() == before
    status, _ = export(
        capsys, CAPTURED[1], "--store", url, "--format", "bvh", "--out", out, "--overwrite"
    )
    assert status == 0
    assert out.read_bytes() != before
    assert [p.name for p in tmp_path.iterdir()] == ["walk.bvh"]


def test_many_go_to_a_folder_with_a_manifest_and_2d_alone_is_a_named_reject(
    store, url, tmp_path, capsys
):
    out = tmp_path / "out"
    status, data = export(
        capsys, "--query", "n_frames > 0", "--store", url, "--format", "csv", "--out", out
    )
    assert status == 0
    assert data["exported"] == 5
    (reject,) = data["rejected"]
    assert "2D only" in reject["reason"]
    held = manifest(out)
    assert {entry["id"] for entry in held["motions"]} | {reject["id"]} == set(
        list_motions(store).column("motion_id").to_pylist()
    )
    files = {entry["file"] for entry in held["motions"]}
    assert {p.name for p in out.iterdir()} == files | {"export.json"}
    entry = next(e for e in held["motions"] if e["id"] == CAPTURED[2])
    assert entry["captions"] == ["a man # walks", "he turns\nleft"]
    assert ".." not in entry["file"]
    # Named, it is an error that the user must hear of.
    status, data = export(
        capsys, reject["id"], "--store", url, "--format", "csv", "--out", tmp_path / "one"
    )
    assert status == 1
    assert data["exported"] == 0
    status, data = export(
        capsys, reject["id"], "--store", url, "--format", "csv", "--out", tmp_path / "one.csv"
    )
    assert status == 2
    assert "2D only" in data["error"]


def test_curators_are_heard(samples, tmp_path, capsys):
    store = make_export_store(tmp_path, samples)
    url, out = str(store.location.path), tmp_path / "out"
    record_decisions(store, [
        Decision(motion_id=CAPTURED[0], by="me", verdict="drop"),
        Decision(motion_id=CAPTURED[1], by="me", captions=("better words",), split="test"),
    ])  # fmt: skip
    asked = ("--dataset", "mocap", "--store", url, "--format", "npz")
    status, data = export(capsys, *asked, "--out", out)
    assert (status, data["exported"], data["dropped"]) == (0, 2, 1)
    (name,) = [e["name"] for e in manifest(out)["motions"] if e["id"] == CAPTURED[1]]
    said = (out / "texts" / f"{name}.txt").read_text()
    assert said == "better words#better/OTHER words/OTHER#0.0#0.0\n"
    assert (out / "test.txt").read_text() == f"{name}\n"
    _, data = export(capsys, *asked, "--out", tmp_path / "all", "--include-dropped")
    assert (data["exported"], data["dropped"]) == (3, 0)
    _, data = export(
        capsys, CAPTURED[0], "--store", url, "--format", "csv", "--out", tmp_path / "named"
    )
    assert data["exported"] == 1  # named: asked for
    query = ("--query", "verdict = 'drop'", "--include-dropped")
    _, data = export(
        capsys, *query, "--store", url, "--format", "csv", "--out", tmp_path / "dropped"
    )
    assert [e["id"] for e in manifest(tmp_path / "dropped")["motions"]] == [CAPTURED[0]]
    split = ("--query", "split = 'test'", "--store", url, "--format", "csv")
    _, data = export(capsys, *split, "--out", tmp_path / "held")
    assert CAPTURED[1] in [e["id"] for e in manifest(tmp_path / "held")["motions"]]
    _, listed = list_store(
        url, dataset="mocap", status=None, reason=None, action=None, motions=True
    )
    assert [line for line in listed if line.startswith(CAPTURED[1]) and " test " in line]
    # What was decided since makes it another export.
    record_decisions(store, [Decision(motion_id=CAPTURED[2], by="me", verdict="drop")])
    status, data = export(capsys, *asked, "--out", out)
    assert status == 2
    assert "another export" in data["error"]


def test_what_is_decided_while_an_export_chooses_belongs_to_the_next_one(
    samples, tmp_path, capsys, monkeypatch
):
    """Otherwise the export that goes on would keep files that tell of the older decisions."""
    store = make_export_store(tmp_path, samples)
    before = Decision(motion_id=CAPTURED[1], by="me", captions=("before",))
    record_decisions(store, [before])

    def choose(*args, **kwargs):
        chosen = select_motions(*args, **kwargs)
        record_decisions(store, [Decision(motion_id=CAPTURED[1], by="me", captions=("after",))])
        return chosen

    out = tmp_path / "out"
    asked = (CAPTURED[1], "--store", str(store.location.path), "--format", "csv", "--out", out)
    monkeypatch.setattr(export_sources, "select_motions", choose)
    assert export(capsys, *asked)[0] == 0
    monkeypatch.undo()
    told = manifest(out)
    heard = current_decisions(store, version=told["request"]["decisions_version"])
    assert heard[CAPTURED[1]].captions == tuple(told["motions"][0]["captions"]) == ("before",)
    status, data = export(capsys, *asked)
    assert (status, "another export" in data["error"]) == (2, True)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("split = 'val'", 1),
        ("action = 'walk' AND mirrored", 1),
        ("quality_reprojection_error < 1 -- a remark", 3),
        ("list_contains(captions, 'a man # walks')", 3),
    ],
)
def test_a_query_asks_the_listing(url, tmp_path, capsys, query, ids):
    _, data = export(
        capsys, "--query", query, "--store", url, "--format", "hf", "--out", tmp_path / "out"
    )
    assert data["exported"] == ids


@pytest.mark.parametrize(
    "query",
    [
        "motion_id IN (SELECT content FROM read_text('/etc/hostname'))",
        "EXISTS (SELECT 1 FROM read_csv('/etc/passwd'))",
        "EXISTS (SELECT 1 FROM '/etc/passwd')",
        "true); COPY motions TO '{out}'; SELECT (true",
        "true); ATTACH '{out}' AS x; SELECT (true",
        "true); SET enable_external_access = true; SELECT (true",
        "EXISTS (SELECT 1 FROM table_of_python)",
        "no_such_column = 1",
        "n_frames >",
        "action = '\udcff'",
    ],
)
def test_a_query_reaches_nothing_else(url, tmp_path, capsys, query):
    table_of_python = [1]
    assert table_of_python
    out, leak = tmp_path / "out", tmp_path / "leak"
    status, data = export(
        capsys, "--query", query.format(out=leak), "--store", url, "--format", "csv", "--out", out
    )
    assert status == 2
    assert "--query" in data["error"]
    assert "\n" not in data["error"]
    assert not leak.exists()
    assert not out.exists()


def test_a_sentence_becomes_a_bvh(tmp_path, capsys):
    features = vectors(4, 50)
    joints = recover_joints(features, HUMANML3D)
    facts = {"caption": "a person waves", "sentences": ["a person waves"], "starts": [0],
             "copy": 0, "checkpoint_id": "c", "skeleton": "humanml3d22", "seed": 1}  # fmt: skip
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_motion(tmp_path / folder / "00_wave_0.npz", joints, features, facts, 20.0)
    one = tmp_path / "a" / "00_wave_0.npz"
    status, data = export(capsys, one, "--format", "bvh", "--out", tmp_path / "wave.bvh")
    assert status == 0
    assert data["motions"][0]["captions"] == ["a person waves"]
    assert data["motions"][0]["lineage"]["checkpoint_id"] == "c"
    other = tmp_path / "b" / "00_wave_0.npz"
    _, data = export(capsys, one, other, "--format", "glb", "--out", tmp_path / "both")
    assert data["exported"] == 2  # two files, though of one name
    flat = tmp_path / "flat.npz"
    write_motion(flat, joints[..., :2], features[:, :134], facts, 20.0)
    status, data = export(capsys, flat, "--format", "bvh", "--out", tmp_path / "flat.bvh")
    assert status == 2
    assert "2D only" in data["error"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say what to export"),
        (["some_id"], "say what to export"),
        (["--store", "{url}"], "say which motions"),
        (["x.npz", "--query", "true"], "ask a --store"),
        (["x.npz", "--format", "hf"], "takes motions of a --store"),
        (["no_such_id", "--store", "{url}"], "has no motion 'no_such_id'"),
        (["--store", "{url}", "--query", "false"], "no motion of"),
        (["--store", "{url}", "--min-score", "2"], "0 to 1"),
        (["--store", "{url}", "--dataset", "x", "--unit", "m"], "--unit belongs to"),
        (["--store", "{url}", "--dataset", "x", "--fps", "30"], "belong to --format bvh"),
        (["--store", "{url}", "--dataset", "x", "--license", "mit"], "--license belongs"),
        (
            ["--store", "{url}", "--dataset", "x", "--body", "anny"],
            "--body belongs to --format glb",
        ),
        (["--store", "{url}", "--dataset", "x", "--format", "bvh", "--fps", "0"], "1 to 1000"),
        (["--store", "{url}", "--dataset", "x", "--out", "x.glb"], "does not fit"),
        (["--store", "{url}", "--dataset", "mocap", "--out", "{tmp}/x.csv"], "one file"),
        (["--store", "{url}", "--dataset", "mocap", "--out", "/no/such/x.csv"], "no folder"),
        (["--store", "/no/such", "--dataset", "x"], "/no/such"),
        (["missing.npz"], "cannot read missing.npz"),
    ],
)
def test_wrong_input_is_refused_in_one_sentence(url, tmp_path, capsys, arguments, says):
    given = [part.format(url=url, tmp=tmp_path) for part in arguments]
    base = ["--format", "csv", "--out", tmp_path / "out"]
    status, data = export(capsys, *base, *given)
    assert status == 2
    assert says in data["error"]
    assert "\n" not in data["error"]
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
import flows.export as e
note = e.Journal.note
def dies(self, key, entry):
    note(self, key, entry)
    if len(self.done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
e.Journal.note = dies
from flows.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("kind", ["bvh", "npz"])
def test_a_killed_export_goes_on_where_it_was(url, tmp_path, capsys, kind):
    out, whole = tmp_path / "out", tmp_path / "whole"
    asked = ("--query", "joint_set = 'humanml3d22'", "--store", url, "--format", kind)
    _, plain = export(capsys, *asked, "--out", whole)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, "export", *asked, "--out", str(out)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert not (out / "export.json").exists()
    status, data = export(capsys, *asked, "--out", out)
    assert (status, data["kept"], data["exported"]) == (0, 2, plain["exported"])
    files = sorted(p.relative_to(whole) for p in whole.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(out) for p in out.rglob("*") if p.is_file())
    for file in files:
        assert (out / file).read_bytes() == (whole / file).read_bytes(), file
    # Once more: nothing is done; a file that was deleted comes back.
    name = manifest(out)["motions"][0]["file"]
    (out / name).unlink()
    _, data = export(capsys, *asked, "--out", out)
    assert (data["kept"], data["exported"]) == (plain["exported"] - 1, plain["exported"])
    assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_two_exports_do_not_write_into_one_folder(url, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ("--dataset", "mocap", "--store", url, "--format", "csv", "--out", out)
    out.mkdir()
    with FileLock(out / ".lock"):
        status, data = export(capsys, *asked)
    assert status == 2
    assert "another export is running in" in data["error"] and "\n" not in data["error"]
    status, data = export(capsys, *asked)  # a lock that nobody holds is none
    assert status == 0
    listed = {each["file"] for each in manifest(out)["motions"]}
    assert {path.name for path in out.iterdir()} == {"export.json", *listed}


def test_a_human_body_is_another_export(url, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ("--query", "joint_set = 'humanml3d22'", "--store", url, "--format", "glb")
    status, data = export(capsys, *asked, "--body", "anny", "--out", out)
    assert status == 0
    assert {path.suffix for path in out.iterdir()} == {".glb", ".json"}
    sizes = [path.stat().st_size for path in out.glob("*.glb")]
    assert len(sizes) == data["exported"] and min(sizes) > 700_000
    status, data = export(capsys, *asked, "--out", out)
    assert status == 2
    assert "holds another export" in data["error"]


def test_a_folder_of_the_other_skeleton_goes_on_as_it_is(tmp_path, capsys):
    features = vectors(1, 60, KIT)
    file = tmp_path / "kit.npz"
    joints = recover_joints(features, KIT)
    write_motion(file, joints, features, {"caption": "a man walks", "joint_set": KIT.name}, KIT.fps)
    asked = (file, "--format", "npz", "--out", tmp_path / "out")
    found = []
    for kept in (0, 1):
        status, data = export(capsys, *asked)
        assert (status, data["kept"], data["exported"]) == (0, kept, 1)
        found.append(np.load(tmp_path / "out" / "Std.npy"))
    np.testing.assert_array_equal(*found)


def test_what_is_exported_is_prepared_again_equal(tmp_path, capsys):
    """HumanML3D's folder -> store -> BVH and folder -> stores: the same motions."""
    arrays = {"000001": vectors(1, 60), "000002": vectors(2, 80)}
    write_folder(tmp_path / "given", arrays, {"train": ["000001"], "val": ["000002"]})

    def prepare(*arguments: object) -> None:
        assert main(["prepare", *map(str, arguments), "--json"]) == 0
        capsys.readouterr()

    prepare("humanml3d", tmp_path / "given", "--out", tmp_path / "s1")
    for kind in ("bvh", "npz"):
        status, _ = export(
            capsys, *arrays, "--store", tmp_path / "s1", "--format", kind, "--out", tmp_path / kind
        )
        assert status == 0
    prepare("bvh", tmp_path / "bvh", "--out", tmp_path / "s2", "--dataset", "again")
    prepare("humanml3d", tmp_path / "npz", "--out", tmp_path / "s3")
    first, by_bvh, by_npz = (open_store(tmp_path / name) for name in ("s1", "s2", "s3"))
    for name, features in arrays.items():
        given = get_motion(first, name).motion
        bvh = get_motion(by_bvh, f"again_{name}").motion
        npz = get_motion(by_npz, name).motion
        assert np.abs(bvh.joints3d - given.joints3d).max() < 1e-3
        np.testing.assert_array_equal(npz.features3d, features)
        np.testing.assert_array_equal(npz.joints3d, given.joints3d)
        assert (npz.captions, npz.split) == (given.captions, given.split)
