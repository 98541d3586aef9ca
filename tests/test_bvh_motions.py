"""A user's BVH files become training motions: joints, units, axes, captions, odd names."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from bvh_files import mixamo, save, swinging, tree_lines, write_humanml3d_bvh
from synthetic_motion import random_motion

from models.data.bvh_motions import BvhSet, bvh_motions, motion_name
from models.data.motion import Motion
from pipeline.arrays import Float64
from pipeline.bvh_families import FAMILIES, find_joint_map
from pipeline.bvh_file import BvhError, read_bvh
from pipeline.bvh_folder import BvhOptions, find_bvh_files, read_clip, survey
from pipeline.bvh_joint_maps import (
    DERIVED,
    REQUIRED,
    JointMap,
    Point,
    apply_joint_map,
    map_template,
    read_joint_map,
)
from pipeline.canonical import canonicalise, mirror
from pipeline.caption_files import Caption, FileCaptions
from pipeline.kinematics import canonical_offsets
from pipeline.rejects import Reject
from pipeline.skeletons import HUMANML3D
from pipeline.splits import split_of, splits_of

J = {name: i for i, name in enumerate(HUMANML3D.joint_names)}
AUTO = BvhOptions()


def human_motion(seed: int, frames: int = 50) -> Float64:
    """(T, 22, 3) metres: a random swing on HumanML3D's own bones, the feet pointing forward."""
    raw = random_motion(seed, frames, turns=0.3)
    return canonicalise(raw, HUMANML3D, canonical_offsets(HUMANML3D))


def mixamo_file(path: Path, frames: int = 150, seed: int = 0) -> None:
    tree = mixamo()
    save(path, tree_lines(tree), swinging(tree, frames, seed), 30.0)


def motions(folder: Path, captions=None, options: BvhOptions = AUTO) -> list[Motion | Reject]:
    files = find_bvh_files(folder)
    given = BvhSet(folder, files, "own", captions or {}, options, survey(files, options))
    return list(bvh_motions(given))


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize(("scale", "unit"), [(1.0, "m"), (100.0, "cm"), (39.37, "inch")])
def test_known_joints_come_back_canonical_within_a_millimetre(tmp_path, up, scale, unit):
    joints = human_motion(1)
    write_humanml3d_bvh(tmp_path / "a.bvh", joints, 20.0, scale=scale, up=up)
    known = survey([tmp_path / "a.bvh"], AUTO)
    assert (known.up, known.unit, known.maps) == (up, unit, ("HumanML3D",))
    plain, mirrored = motions(tmp_path)
    wanted = canonicalise(joints, HUMANML3D, canonical_offsets(HUMANML3D))
    assert np.abs(plain.joints - wanted).max() < 1e-3
    other = canonicalise(mirror(joints, HUMANML3D), HUMANML3D, canonical_offsets(HUMANML3D))
    assert np.abs(mirrored.joints - other).max() < 1e-3
    assert (plain.motion_id, mirrored.motion_id) == ("own_a", "Mown_a")
    assert (plain.mirrored, mirrored.mirrored, plain.fps) == (False, True, 20.0)


def test_a_faster_recording_gives_the_same_motion(tmp_path):
    """120 fps of a slow motion, against its every sixth frame."""
    slow = human_motion(2, 45)
    write_humanml3d_bvh(tmp_path / "s.bvh", slow, 20.0)
    fine = np.stack([
        np.stack([np.interp(np.linspace(0, 44, 265), np.arange(45), slow[:, j, c])
                  for c in range(3)], -1) for j in range(22)], 1)  # fmt: skip
    write_humanml3d_bvh(tmp_path / "f.bvh", fine, 120.0)
    a, b = (
        read_clip(tmp_path / f"{n}.bvh", AUTO, survey([tmp_path / "s.bvh"], AUTO)) for n in "sf"
    )
    assert len(b) == 45
    assert np.abs(a - b)[3:-3].mean() < 1.0  # centimetres: bones differ a little between frames


def test_a_mixamo_body_stands_on_its_feet_and_faces_forward(tmp_path):
    mixamo_file(tmp_path / "m.bvh")
    plain, _ = motions(tmp_path)
    body = plain.joints
    assert body.shape == (100, 22, 3)
    assert body[..., 1].min() == pytest.approx(0.0, abs=1e-6)
    assert (body[:, J["head"], 1] > body[:, J["neck"], 1]).all()
    assert (body[:, J["neck"], 1] > body[:, J["pelvis"], 1]).all()
    first = body[0]
    assert first[J["left_wrist"], 0] > 0.4 > -0.4 > first[J["right_wrist"], 0]
    for side in ("left", "right"):
        assert first[J[f"{side}_foot"], 2] > first[J[f"{side}_ankle"], 2]
    lengths = np.linalg.norm(body[:, 4] - body[:, 1], axis=-1)
    np.testing.assert_allclose(lengths, HUMANML3D.canonical_lengths[4], atol=1e-4)


@pytest.mark.shared
def test_trunk_and_collars_lie_at_the_proportions_of_the_canonical_body(shared):
    with np.load(shared / "reference" / "motion_012314.npz") as arrays:
        joints = arrays["joints3d"].astype(np.float64)
    places = {name: joints[:, j] for name, j in J.items()}
    points = {name: Point(((name,),)) for name in REQUIRED}
    trunk = tuple((name,) for name in ("pelvis", "spine1", "spine2", "spine3"))
    placed = apply_joint_map(places, JointMap("derived", points, trunk))
    for name in DERIVED:
        error = np.linalg.norm(placed[:, J[name]] - joints[:, J[name]], axis=-1).mean()
        assert error < (0.03 if "collar" in name else 0.01), name


def test_every_family_is_found_by_its_own_names_alone():
    for family in FAMILIES:
        wanted = {names[0] for names in family.alternatives().values()}
        names = [*wanted, *family.trunk, *family.needs]
        names += [*(ours.replace("left", "L").replace("right", "R") for ours in family.exact)]
        found, why = find_joint_map(names)
        assert found is not None and found.name == family.name, why
        assert found.points["left_knee"].along == ((family.alternatives()["left_knee"][0],),)
        assert set(REQUIRED) <= set(found.points)


@pytest.mark.parametrize("prefix", ["mixamorig:", "Bip01 ", "", "Character1_", "ns:mixamorig_"])
def test_a_prefix_before_every_name_does_not_matter(prefix):
    names = [line.split(None, 1)[1] for line in tree_lines(mixamo(prefix))
             if line.split()[0] in ("ROOT", "JOINT")]  # fmt: skip
    found, why = find_joint_map(names)
    assert found is not None, why
    assert found.points["right_elbow"].along == ((f"{prefix}RightForeArm",),)
    assert found.trunk[0][0] == f"{prefix}Hips"


def test_a_foot_without_toes_ends_at_its_tip():
    names = [n for f in FAMILIES if f.name.startswith("Biov")
             for n in (*(v[0] for v in f.alternatives().values()), "Hips", "Chest")]  # fmt: skip
    names = [n for n in names if "Toe" not in n] + ["LeftAnkle end", "RightAnkle end"]
    found, why = find_joint_map(names)
    assert found is not None, why
    assert found.points["left_foot"].along == (("LeftAnkle end",),)


def test_a_foreign_skeleton_is_told_what_is_missing_and_how_to_go_on(tmp_path):
    text_of = tmp_path / "x.bvh"
    mixamo_file(text_of)
    text_of.write_text(
        text_of.read_text().replace("ToeBase", "Zeh").replace("End Site", "End Site")
    )
    with pytest.raises(
        ValueError, match=r"x.bvh: no built-in .*left_foot.*--print-map.*--joint-map"
    ):
        # the ankle is no tip either: it carries the renamed toe
        survey([text_of], AUTO)


def test_a_printed_template_filled_in_is_a_map_that_works(tmp_path):
    mixamo_file(tmp_path / "x.bvh")
    (tmp_path / "x.bvh").write_text((tmp_path / "x.bvh").read_text().replace("ToeBase", "Zeh"))
    bvh = read_bvh(tmp_path / "x.bvh")
    names = [node.name for node in bvh.nodes]
    template = map_template(names, None)
    assert all(f"#   {name}\n" in template for name in names)
    good = map_template(names, find_joint_map([n.replace("Zeh", "ToeBase") for n in names])[0])
    (tmp_path / "map.toml").write_text(good.replace("ToeBase", "Zeh"))
    plain, _ = motions(tmp_path, options=BvhOptions(read_joint_map(tmp_path / "map.toml")))
    assert isinstance(plain, Motion)


def test_a_template_that_is_not_filled_in_is_told_by_its_own_names(tmp_path):
    filled = map_template(["A"], None).replace('head = ""', 'head = "A"')
    (tmp_path / "map.toml").write_text(filled)
    with pytest.raises(ValueError, match=r"map.toml is still empty at .*left_knee") as told:
        read_joint_map(tmp_path / "map.toml")
    assert "head" not in str(told.value) and "trunk" not in str(told.value)


def a_map() -> dict:
    return {name: name for name in REQUIRED}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: m.pop("head"), "lacks head"),
        (lambda m: m.update(tail="Tail"), "names 'tail'"),
        (lambda m: m.update(head=3), "head must be a joint's name"),
        (lambda m: m.update(head=[]), "head must be a joint's name"),
        (lambda m: m.update(head={"along": ["A"]}), "needs along"),
        (lambda m: m.update(head={"along": ["A"], "at": 2}), "at = 2"),
    ],
)
def test_a_wrong_map_is_refused_with_a_sentence(tmp_path, change, sentence):
    values = a_map()
    change(values)
    (tmp_path / "m.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=f"joint map m.json.*{sentence}"):
        read_joint_map(tmp_path / "m.json")


def test_a_map_file_may_give_means_and_points_between(tmp_path):
    values = a_map() | {"head": ["eye1", "eye2"], "spine1": {"along": ["a", "b", "c"], "at": 0.5}}
    (tmp_path / "m.json").write_text(json.dumps(values))
    places = {name: np.random.default_rng(i).normal(size=(4, 3)) for i, name in enumerate(REQUIRED)}
    ends = {"eye1": [0, 0, 0], "eye2": [2, 4, 6], "a": [0, 0, 0], "b": [0, 1, 0], "c": [3, 1, 0]}
    places |= {name: np.tile(np.asarray(v, float), (4, 1)) for name, v in ends.items()}
    joints = apply_joint_map(places, read_joint_map(tmp_path / "m.json"))
    np.testing.assert_allclose(joints[:, J["head"]], [[1, 2, 3]] * 4)
    np.testing.assert_allclose(joints[:, J["spine1"]], [[1, 1, 0]] * 4)
    np.testing.assert_array_equal(joints[:, J["left_knee"]], places["left_knee"])


def test_not_toml_is_said(tmp_path):
    (tmp_path / "m.toml").write_text("left_hip = ")
    with pytest.raises(ValueError, match=r"joint map m.toml cannot be read"):
        read_joint_map(tmp_path / "m.toml")


def test_swapped_sides_and_wrong_units_are_rejects(tmp_path):
    mixamo_file(tmp_path / "a.bvh")
    names = [node.name for node in read_bvh(tmp_path / "a.bvh").nodes]
    found, _ = find_joint_map(names)
    swapped = {HUMANML3D.joint_names[m]: found.points[HUMANML3D.joint_names[i]]
               for i, m in enumerate(HUMANML3D.mirror_order)
               if HUMANML3D.joint_names[i] in found.points}  # fmt: skip
    (one,) = motions(tmp_path, options=BvhOptions(JointMap("s", swapped, found.trunk)))
    assert isinstance(one, Reject) and "left and right swapped" in one.reason
    (one,) = motions(tmp_path, options=BvhOptions(unit="m"))
    assert isinstance(one, Reject) and "that is not in m" in one.reason


def test_bad_files_are_named_rejects_and_the_rest_goes_on(tmp_path):
    for name in ("good", "sub folder/also good"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        mixamo_file(tmp_path / f"{name}.bvh")
    text = (tmp_path / "good.bvh").read_text()
    (tmp_path / "cut.bvh").write_text(text[: len(text) // 2])
    (tmp_path / "empty.bvh").write_text("")
    mixamo_file(tmp_path / "sub folder" / "short.bvh", frames=20)
    still = swinging(mixamo(), 1).repeat(100, axis=0)
    save(tmp_path / "still.bvh", tree_lines(mixamo()), still, 30.0)
    out = motions(tmp_path)
    rejects = {item.name: item.reason for item in out if isinstance(item, Reject)}
    assert set(rejects) == {"cut.bvh", "empty.bvh", "sub folder/short.bvh", "still.bvh"}
    assert "cut off" in rejects["cut.bvh"]
    assert "14 frames at 20 fps, at least 41" in rejects["sub folder/short.bvh"]
    assert "nothing moves" in rejects["still.bvh"]
    assert len([item for item in out if isinstance(item, Motion)]) == 4


def test_long_files_are_cut_and_parts_are_motions_of_their_own(tmp_path):
    mixamo_file(tmp_path / "long.bvh", frames=900)  # 600 frames at 20 fps
    said = (Caption("walks"), Caption("turns left", (), 2.0, 5.0), Caption("late", (), 29.0, 40.0))
    out = motions(tmp_path, {"long": FileCaptions(said, "val")})
    lengths = {m.motion_id: len(m.joints) for m in out if isinstance(m, Motion) and not m.mirrored}
    assert lengths == {
        "own_long_000": 150, "own_long_001": 150, "own_long_002": 150, "own_long_003": 150,
        "own_long_2-5": 61,
    }  # fmt: skip
    part = next(m for m in out if m.motion_id == "Mown_long_2-5")
    assert part.captions == ("turns right",) and part.split == "val"
    assert [r.name for r in out if isinstance(r, Reject)] == ["long.bvh, part 29-40"]


def test_files_without_a_caption_are_kept_and_named(tmp_path):
    for name in ("a", "b"):
        mixamo_file(tmp_path / f"{name}.bvh")
    files = find_bvh_files(tmp_path)
    captions = {"a": FileCaptions((Caption("x"),)), "c": FileCaptions((Caption("y"),))}
    given = BvhSet(tmp_path, files, "own", captions, AUTO, survey(files, AUTO))
    assert given.uncaptioned() == ["b.bvh"] and given.unused_captions() == ["c"]
    by_id = {m.motion_id: m for m in bvh_motions(given)}
    assert by_id["own_a"].captions == ("x",) and by_id["own_b"].captions == ()
    assert by_id["own_a"].split == by_id["Mown_a"].split


@pytest.mark.parametrize("count", [2, 3, 5, 40])
def test_of_a_few_files_one_is_for_validation(count):
    keys = [f"take {i}.bvh" for i in range(count)]
    splits = splits_of(keys, {}, lambda _: True)
    assert list(splits.values()).count("val") >= 1 and "train" in splits.values()
    moved = [key for key in keys if splits[key] != split_of(key)]
    assert len(moved) == (0 if "val" in map(split_of, keys) else 1)


def named(split: str, count: int = 2) -> list[str]:
    """File names that fall into a split by themselves."""
    return [n for n in (f"t{i}.bvh" for i in range(400)) if split_of(n) == split][:count]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_single_recording_is_in_train_and_two_are_in_train_and_val(split):
    one, other = named(split)
    assert splits_of([one], {}, lambda _: True) == {one: "train"}
    assert sorted(splits_of([one, other], {}, lambda _: True).values()) == ["train", "val"]
    assert splits_of([one, other], {}, lambda key: key == one)[one] == "train"
    assert splits_of([one], {one: "test"}, lambda _: True) == {one: "test"}


def test_a_broken_file_is_not_the_one_for_validation(tmp_path):
    for name in named("train", 3):
        mixamo_file(tmp_path / name)
    broken, short = named("val")
    (tmp_path / broken).write_text("HIERARCHY")
    mixamo_file(tmp_path / short, frames=20)
    out = motions(tmp_path)
    assert {item.name for item in out if isinstance(item, Reject)} == {broken, short}
    splits = [item.split for item in out if isinstance(item, Motion)]
    assert sorted(splits) == ["train"] * 4 + ["val"] * 2


def test_odd_file_names_make_plain_ids_that_never_meet():
    names = ["a b.bvh", "a_b.bvh", "a/b.bvh", "ä.bvh", "..;rm -rf.bvh", "<b>.BVH", "a\nb.bvh"]
    ids = [motion_name("own", name) for name in names]
    assert len(set(ids)) == len(names)
    assert all(
        set(i) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-") for i in map(str.lower, ids)
    )
    assert ids[1] == "own_a_b"


def test_names_that_no_terminal_could_show_are_written_out(tmp_path):
    odd = [b"not utf8 \xff.bvh", b"line\nbreak.bvh", b"\x1b[31mred.bvh"]
    for name in odd:
        (tmp_path / os.fsdecode(name)).write_text("hello")
    mixamo_file(tmp_path / os.fsdecode(b"good \xfe.bvh"))
    out = motions(tmp_path)
    rejects = {item.name for item in out if isinstance(item, Reject)}
    assert rejects == {"not utf8 \\xff.bvh", "line\\x0abreak.bvh", "\\x1b[31mred.bvh"}
    kept = [item for item in out if isinstance(item, Motion)]
    assert [m.source for m in kept] == ["good \\xfe.bvh"] * 2
    assert kept[0].motion_id.isascii()


def test_an_empty_folder_and_no_folder_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"holds no .bvh file"):
        find_bvh_files(tmp_path)
    with pytest.raises(ValueError, match="no folder"):
        find_bvh_files(tmp_path / "none")
    (tmp_path / "x.bvh").write_text("hello")
    with pytest.raises(ValueError, match=r"none of the BVH files can be used; x.bvh: this is not"):
        survey(find_bvh_files(tmp_path), AUTO)


def test_the_first_frames_can_be_left_out(tmp_path):
    mixamo_file(tmp_path / "a.bvh", frames=150)
    options = BvhOptions(skip_frames=30)
    known = survey([tmp_path / "a.bvh"], options)
    assert len(read_clip(tmp_path / "a.bvh", options, known)) == 80
    with pytest.raises(BvhError, match="that is no motion"):
        read_clip(tmp_path / "a.bvh", BvhOptions(skip_frames=149), known)
    with pytest.raises(ValueError, match="must not be negative"):
        BvhOptions(skip_frames=-1)
