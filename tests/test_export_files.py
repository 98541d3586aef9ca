"""Exported NPZ, CSV, MP4, HumanML3D's folder; file names; the journal."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from motion_folders import vectors

from models.data.folder_motions import folder_motions
from models.data.motion import Motion
from pipeline.export.exported import ExportMotion
from pipeline.export.generated import read_generated
from pipeline.export.humanml3d_folder import begin_folder, finish_folder, write_folder_motion
from pipeline.export.manifest import JOURNAL, MANIFEST, begin_export
from pipeline.export.names import file_names, labels_of_files
from pipeline.export.one_file import FileOptions, write_file
from pipeline.motion_folder import open_motion_folder
from pipeline.representation3d import recover_all_joints, recover_joints
from pipeline.skeletons import HUMANML3D, KIT, Skeleton


def motion(seed: int = 0, rows: int = 60, skeleton: Skeleton = HUMANML3D, **more) -> ExportMotion:
    features = vectors(seed, rows, skeleton)
    given = {
        "motion_id": f"m{seed}", "features": features, "fps": skeleton.fps,
        "joints": recover_all_joints(features, skeleton) * np.float32(skeleton.metres_per_unit),
        "joint_set": skeleton.name, "captions": ("a man walks", "he turns left"),
        "tokens": ("a/DET man/NOUN walk/VERB", "he/PRON"), "split": "train",
        "lineage": {"checkpoint_id": "c1", "source_hash": None},
    }  # fmt: skip
    return ExportMotion(**(given | more))


def test_one_npz_holds_everything_and_is_read_back(tmp_path):
    given = motion(action="walk")
    facts = write_file(given, tmp_path / "m.npz", FileOptions("npz"))
    assert facts == {"frames": 61, "fps": 20.0, "seconds": 3.05}
    again = read_generated(tmp_path / "m.npz")
    np.testing.assert_array_equal(again.joints, given.joints)
    np.testing.assert_array_equal(again.features, given.features)
    same = ("motion_id", "captions", "fps", "joint_set", "action", "split")
    assert [getattr(again, n) for n in same] == [getattr(given, n) for n in same]
    assert again.lineage == {"checkpoint_id": "c1", "source_hash": ""}
    with np.load(tmp_path / "m.npz", allow_pickle=False) as held:
        assert held["joint_names"].tolist() == list(HUMANML3D.joint_names)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read"),
        (b"no zip", "damaged or no NPZ"),
        ({"joints": np.zeros((2, 22, 3))}, "holds no 'features'"),
        ({"joints": "x", "features": np.zeros((2, 2)), "fps": 20.0}, "does not hold the arrays"),
        ({"joints": np.zeros((2, 22, 3)), "features": np.zeros((2, 2)), "fps": 0.0}, "frame rate"),
        ({"joints": np.zeros((2, 22, 3)), "features": np.zeros((2, 2)), "fps": 1j}, "not hold"),
        ({"joints": np.zeros((2, 22, 3)), "features": np.zeros((2, 2)), "fps": "x"}, "not hold"),
        ({"joints": np.array([{}]), "features": np.zeros((2, 2)), "fps": 20.0}, "damaged"),
    ],
)
def test_an_npz_that_is_none_of_ours_is_refused_in_one_sentence(tmp_path, content, says):
    path = tmp_path / "m.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(ValueError, match=says) as caught:
        read_generated(path)
    assert "\n" not in str(caught.value)


def test_facts_of_any_kind_are_such_as_a_manifest_can_hold(tmp_path):
    arrays = {"joints": np.zeros((2, 22, 3)), "features": np.zeros((1, 263)), "fps": 20.0}
    odd = {"day": np.datetime64("2020-01-02"), "raw": np.bytes_(b"ab"), "seed": 3, "loss": np.nan}
    np.savez(tmp_path / "m.npz", **arrays, **odd)
    told = json.loads(json.dumps(read_generated(tmp_path / "m.npz").lineage, allow_nan=False))
    assert told["seed"] == 3
    assert "2020" in told["day"]


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_csv_has_a_row_a_frame_in_metres(tmp_path, skeleton):
    given = motion(skeleton=skeleton)
    write_file(given, tmp_path / "m.csv", FileOptions("csv"))
    with (tmp_path / "m.csv").open(newline="") as file:
        head, *rows = list(csv.reader(file))
    assert head[:4] == ["time_s", *(f"{skeleton.joint_names[0]}_{axis}" for axis in "xyz")]
    values = np.array(rows, dtype=float)
    np.testing.assert_allclose(values[:, 0], np.arange(61) / skeleton.fps, atol=1e-6)
    np.testing.assert_allclose(values[:, 1:].reshape(given.joints.shape), given.joints, atol=1e-6)


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_a_film_has_a_picture_a_frame(tmp_path, skeleton):
    short = motion(skeleton=skeleton)
    write_file(replace(short, joints=short.joints[:9]), tmp_path / "m.mp4", FileOptions("mp4"))
    film, count = cv2.VideoCapture(str(tmp_path / "m.mp4")), 0
    while film.read()[0]:
        count += 1
    assert count == 9


@pytest.mark.parametrize("kind", ["bvh", "glb", "npz", "csv", "mp4"])
def test_what_has_no_usable_3d_is_refused_and_leaves_no_file(tmp_path, kind):
    given = motion()
    bad = {
        "2D only": replace(given, joints=None),
        "2D only:": replace(given, joints=given.joints[..., :2]),
        "not finite": replace(given, joints=np.full_like(given.joints, np.nan)),
        "expected": replace(given, joints=given.joints[:, :9]),
        "skeleton 'ape'": replace(given, joint_set="ape"),
    }
    for says, wrong in bad.items():
        with pytest.raises(ValueError, match=says):
            write_file(wrong, tmp_path / f"m.{kind}", FileOptions(kind))
    if kind in ("bvh", "glb"):
        with pytest.raises(ValueError, match="kitml21"):
            write_file(motion(skeleton=KIT), tmp_path / f"m.{kind}", FileOptions(kind))
    assert list(tmp_path.iterdir()) == []


# HumanML3D's layout


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_the_folder_is_read_back_equal(tmp_path, skeleton):
    given = {f"m{seed}": motion(seed, 60 + seed, skeleton) for seed in range(3)}
    splits = dict(zip(given, ("train", "train", "val"), strict=True))
    begin_folder(tmp_path)
    for name, each in given.items():
        facts = write_folder_motion(replace(each, split=splits[name]), tmp_path, name)
        assert facts["kept_by_loaders"]
        assert facts["split"] == splits[name]
    finish_folder(tmp_path, splits, skeleton)
    folder = open_motion_folder(tmp_path, skeleton)
    assert dict(folder.splits) == splits
    found = {m.motion_id: m for m in folder_motions(folder) if isinstance(m, Motion)}
    for name, each in given.items():
        np.testing.assert_array_equal(found[name].features, each.features)
        assert found[name].captions == each.captions
        assert tuple(" ".join(t) for t in found[name].tokens) == each.tokens
        joints = np.load(tmp_path / "new_joints" / f"{name}.npy")
        np.testing.assert_array_equal(joints, recover_joints(each.features, skeleton))
    rows = np.concatenate([given["m0"].features, given["m1"].features]).astype(np.float64)
    mean, std = np.load(tmp_path / "Mean.npy"), np.load(tmp_path / "Std.npy")
    np.testing.assert_allclose(mean, rows.mean(0), rtol=1e-4, atol=1e-5)
    assert std.shape == mean.shape == (skeleton.dim3,)
    np.testing.assert_allclose(std[1:3], rows[:, 1:3].std(0).mean(), rtol=1e-4)


def test_a_single_frame_has_no_row_and_says_so(tmp_path):
    begin_folder(tmp_path)
    with pytest.raises(ValueError, match="it has a single frame"):
        write_folder_motion(
            replace(motion(), features=np.zeros((0, 263), np.float32)), tmp_path, "one"
        )
    assert not list(tmp_path.glob("*/one*"))


def test_captions_cannot_break_the_text_files(tmp_path):
    nasty = motion(captions=("one # two\nthree#0.0#5.0", "plain"), tokens=("a/X\n#", ""))
    begin_folder(tmp_path)
    write_folder_motion(nasty, tmp_path, "m")
    lines = (tmp_path / "texts" / "m.txt").read_text().splitlines()
    assert [line.split("#") for line in lines] == [
        ["one two three 0.0 5.0", "a/X", "0.0", "0.0"], ["plain", "", "0.0", "0.0"],
    ]  # fmt: skip


def test_what_the_loaders_cannot_take_is_said(tmp_path):
    begin_folder(tmp_path)
    short = motion(rows=30)
    assert not write_folder_motion(short, tmp_path, "short")["kept_by_loaders"]
    assert write_folder_motion(replace(short, split=None), tmp_path, "x")["split"] == "train"
    with pytest.raises(ValueError, match="no caption"):
        write_folder_motion(motion(captions=()), tmp_path, "silent")
    assert not list(tmp_path.glob("*/silent*"))


# Names and the journal


def test_file_names_are_safe_and_no_two_are_one():
    ids = ["a/b", "a_b", "A_B", "../../etc/passwd", "x" * 300, "x" * 301, "CON", "nul.txt", "-rf",
           "Übung", "", ".", "ok-1.2_3", "a\0b", "M a", " a"]  # fmt: skip
    names = file_names(ids)
    assert names["ok-1.2_3"] == "ok-1.2_3"
    assert names["a_b"] == "a_b"
    assert len({name.lower() for name in names.values()}) == len(ids)
    for name in names.values():
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        assert 0 < len(name) < 120
        assert name[0] not in ".-"
        assert name.split(".")[0].lower() not in ("con", "nul")
    pair = file_names(["walk 1", "Mwalk 1"], [False, True])
    assert pair["Mwalk 1"] == "M" + pair["walk 1"]  # as loaders know mirrored copies
    assert labels_of_files(["a/x.npz", "b/x.npz", "y.npz"]) == ("a/x.npz", "b/x.npz", "y")


def test_files_and_ids_made_to_collide_do_not():
    awkward = ["A", "a"]
    second = file_names(awkward)["a"]
    names = file_names([second, f"{second}{second[1:]}", *awkward])
    assert len({name.lower() for name in names.values()}) == 4
    paths = ["x.npz", "d/x.npz", "x.npz.npz"]
    assert len(set(labels_of_files(paths))) == 3


def test_an_export_goes_on_and_another_one_is_refused(tmp_path):
    folder = tmp_path / "out"
    first = begin_export(folder, {"format": "bvh"}, overwrite=False)
    first.note("a", {"id": "a", "file": "a.bvh"})
    with (folder / JOURNAL).open("a") as file:
        file.write('{"key": "b", "ent')  # killed while writing
    (folder / "texts").mkdir()
    for half in (".unfinished-ab.bvh", "texts/.unfinished-x.txt", ".train-0.parquet.unfinished"):
        (folder / half).write_text("half")
    again = begin_export(folder, {"format": "bvh"}, overwrite=False)
    assert again.done == {"a": {"id": "a", "file": "a.bvh"}}
    again.note("b", {"id": "b", "file": "b.bvh"})
    again.finish({"motions": [again.done["a"], again.done["b"]]})
    assert [p.name for p in folder.rglob("*") if p.is_file()] == [MANIFEST]
    assert len(json.loads((folder / MANIFEST).read_text())["motions"]) == 2
    finished = begin_export(folder, {"format": "bvh"}, overwrite=False)
    assert set(finished.done) == {"a", "b"}
    with pytest.raises(ValueError, match="another export"):
        begin_export(folder, {"format": "glb"}, overwrite=False)
    assert begin_export(folder, {"format": "glb"}, overwrite=True).done == {}


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "\u00dcbung", "not UTF-8: \udcff"])
def test_any_text_is_read_back_and_a_cut_within_a_letter_is_none(tmp_path, text):
    request, entry = {"query": text}, {"id": text, "file": "a.bvh", "captions": [text]}
    begin_export(tmp_path, request, overwrite=False).note(text, entry)
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write('{"key": "\u00dc'.encode()[:-1])
    again = begin_export(tmp_path, request, overwrite=False)
    assert again.done == {text: entry}
    again.finish({"motions": [entry]})
    assert json.loads((tmp_path / MANIFEST).read_text("utf-8"))["motions"] == [entry]
    assert begin_export(tmp_path, request, overwrite=False).done == {text: entry}


@pytest.mark.parametrize("name", ["notes.txt", MANIFEST, JOURNAL])
def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text("my notes")
    with pytest.raises(ValueError, match="--overwrite"):
        begin_export(tmp_path, {"format": "bvh"}, overwrite=False)
    assert (tmp_path / name).read_text() == "my notes"
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match="cannot write to"):
        begin_export(Path(file), {}, overwrite=True)
