"""`crossdiff prepare humanml3d|kitml|bvh` from the command line to an opened training set."""

import json

import numpy as np
import pytest
from bvh_files import mixamo, save, swinging, tree_lines
from mocap_archives import Hashed
from motion_folders import vectors, write_folder

from flows.cli import main
from flows.prepare_folder import prepare_folder
from flows.training_sets import open_training_set
from pipeline.skeletons import HUMANML3D, KIT


def run(capsys, *arguments: str) -> tuple[int, dict]:
    status = main([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("command", "skeleton"), [("humanml3d", HUMANML3D), ("kitml", KIT)], ids=["humanml3d", "kitml"]
)
def test_a_data_sets_folder_becomes_a_training_set(tmp_path, capsys, command, skeleton):
    arrays = {f"{i:06d}": vectors(i, 45, skeleton) for i in range(4)}
    arrays["M000000"] = vectors(0, 45, skeleton, mirrored=True)
    arrays["000009"] = vectors(9, 12, skeleton)
    splits = {"train": ["000000", "M000000", "000001", "000009"], "val": ["000002"],
              "test": ["000003", "000008"]}  # fmt: skip
    write_folder(tmp_path / "in", arrays, splits)
    where = str(tmp_path / "store")
    status, said = run(capsys, "prepare", command, str(tmp_path / "in"), "--out", where)
    assert status == 0
    assert (said["dataset"], said["motions"]) == (command, 8)
    assert said["by_split"] == {"train": 4, "val": 2, "test": 2} and said["mirrored"] == 4
    assert set(said["rejected"]) == {"000009", "000008"}
    again = run(capsys, "prepare", command, str(tmp_path / "in"), "--out", where)[1]
    assert (again["motions"], again["known"], again["in_store"]) == (0, 8, 8)

    opened = open_training_set(where, ("train", "val", "test"))
    assert opened.skeleton is skeleton
    assert opened.statistics.mean3.shape == (skeleton.dim3,)
    assert opened.statistics.mean2.shape == (skeleton.dim2,)
    by_id = {m.motion_id: m for split in opened.motions.values() for m in split}
    assert set(by_id) == {f"{p}00000{i}" for p in ("", "M") for i in range(4)}
    for motion_id in ("000000", "M000000", "000002"):
        np.testing.assert_array_equal(by_id[motion_id].features, arrays[motion_id])
    assert by_id["000001"].tokens[1] == ("someone/PRON", "turn/VERB", "left/ADV")
    assert by_id["000001"].embeddings.shape == (2, opened.text_dim)
    assert len(opened.bank("train")) == 4


def test_own_bvh_files_become_a_training_set(tmp_path, capsys):
    tree, folder, where = mixamo(), tmp_path / "in", str(tmp_path / "store")
    for i, name in enumerate(("walk one", "sub/turn")):
        save(folder / f"{name}.bvh", tree_lines(tree), swinging(tree, 90, i), 30.0)
    (folder / "broken.bvh").write_text("HIERARCHY")
    (tmp_path / "c.csv").write_text("file,caption,split\nwalk one,a <b>walk</b>,train\nzzz,no,\n")
    command = ["prepare", "bvh", str(folder), "--out", where, "--dataset", "own"]
    status, said = run(capsys, *command, "--captions", str(tmp_path / "c.csv"))
    assert status == 0
    assert (said["motions"], said["unit"], said["up"]) == (4, "cm", "y")
    assert said["joint_maps"] == ["MotionBuilder (Mixamo, LAFAN1)"]
    assert set(said["rejected"]) == {"broken.bvh"}
    assert said["files_without_caption"] == ["broken.bvh", "sub/turn.bvh"]
    assert said["captions_without_file"] == ["zzz"]
    assert run(capsys, *command, "--captions", str(tmp_path / "c.csv"))[1]["known"] == 4
    opened = open_training_set(where, ("train", "val", "test"), ["own"])
    told = [m for split in opened.motions.values() for m in split if m.captions]
    assert {m.captions for m in told} == {("a <b>walk</b>",)}
    assert {m.split for m in told} == {"train"}

    main(["prepare", "bvh", str(folder), "--out", where, "--dataset", "two"])
    text = capsys.readouterr().out
    assert "joint map MotionBuilder (Mixamo, LAFAN1); up is y; lengths are in cm" in text


def test_a_store_without_a_split_is_told_when_filled_and_when_trained_on(tmp_path, capsys):
    tree, folder, where = mixamo(), tmp_path / "in", str(tmp_path / "store")
    save(folder / "a.bvh", tree_lines(tree), swinging(tree, 90, 0), 30.0)
    (tmp_path / "c.csv").write_text("file,caption,split\na,walks,val\n")
    command = ["prepare", "bvh", str(folder), "--out", where, "--dataset", "own"]
    main([*command, "--captions", str(tmp_path / "c.csv")])
    told = "train needs one; give more files or a `split` column"
    assert f"no motion in train: {told}" in capsys.readouterr().out
    assert main(["train", "--data", where, "--out", str(tmp_path / "run")]) != 0
    assert "has no motion in its train split" in capsys.readouterr().err


@pytest.mark.parametrize("names", [("t2", "t1"), ("t1", "t2"), ("t5", "t6"), ("t6", "t5")])
def test_a_file_that_is_stored_keeps_its_split_when_more_come(tmp_path, capsys, names):
    tree, folder, where = mixamo(), tmp_path / "in", str(tmp_path / "store")
    command = ["prepare", "bvh", str(folder), "--out", where, "--dataset", "own"]
    for i, name in enumerate(names):
        save(folder / f"{name}.bvh", tree_lines(tree), swinging(tree, 90, i), 30.0)
        said = run(capsys, *command)[1]
        assert said["rejected"] == {}
    assert said["by_split"] == {"train": 2, "val": 2}
    assert said["empty_splits"] == []


def test_another_recipe_is_told_in_a_short_sentence(tmp_path, capsys):
    tree, folder, where = mixamo(), tmp_path / "in", str(tmp_path / "store")
    save(folder / "a.bvh", tree_lines(tree), swinging(tree, 90, 0), 30.0)
    command = ["prepare", "bvh", str(folder), "--out", where, "--dataset", "own"]
    assert main(command) == 0
    assert "no motion in val: train needs one" in capsys.readouterr().out
    main(["prepare", "bvh", str(folder), "--print-map"])
    (tmp_path / "m.toml").write_text(capsys.readouterr().out)
    assert main([*command, "--joint-map", str(tmp_path / "m.toml")]) != 0
    told = capsys.readouterr().err
    assert 'config.joint_map was "built in" and is now {' in told
    assert len(told) < 400 + len(where)


def test_a_map_is_printed_for_the_first_file(tmp_path, capsys):
    save(tmp_path / "a.bvh", tree_lines(mixamo("x")), swinging(mixamo("x"), 3), 30.0)
    assert main(["prepare", "bvh", str(tmp_path), "--print-map"]) == 0
    assert 'left_hip = "xLeftUpLeg"\n' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["humanml3d", "IN", "--out", "S"], "neither new_joint_vecs/ nor joints/"),
        (["kitml", "IN/none", "--out", "S"], "neither new_joint_vecs/ nor joints/"),
        (["bvh", "IN", "--out", "S", "--dataset", "x"], "holds no .bvh file"),
        (["bvh", "IN"], "say where the motions go: --out STORE --dataset NAME"),
        (["bvh", "IN", "--out", "S", "--dataset", "a b"], "must start with a letter"),
        (["bvh", "IN", "--out", "S", "--dataset", "x", "--joint-map", "IN/m"], "map m cannot"),
        (["bvh", "IN", "--print-map"], "holds no .bvh file"),
    ],
)  # fmt: skip
def test_wrong_input_is_refused_in_one_sentence(tmp_path, capsys, arguments, sentence):
    (tmp_path / "in").mkdir()
    given = [a.replace("IN", str(tmp_path / "in")).replace("S", str(tmp_path / "s"))
             if a in ("S",) or a.startswith("IN") else a for a in arguments]  # fmt: skip
    status, said = run(capsys, "prepare", *given)
    assert status == 2 and sentence in said["error"]
    assert "\n" not in said["error"]
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "<x>", "x\n", "x" * 101])
def test_a_data_set_whose_name_is_no_folder_is_refused_before_there_is_a_store(name, tmp_path):
    write_folder(tmp_path / "in", {"000001": vectors(1, 60)}, {"train": ["000001"]})
    with pytest.raises(ValueError, match="must start with a letter or digit"):
        prepare_folder(tmp_path / "in", str(tmp_path / "s"), name, HUMANML3D, Hashed())
    assert not (tmp_path / "s").exists()
