"""HumanML3D's and KIT-ML's folders, written here in their exact form, become motions."""

import numpy as np
import pytest
from motion_folders import LINE, raw_motion, vectors, write_folder

from models.data.folder_motions import folder_motions
from models.data.motion import Motion
from pipeline.canonical import canonicalise, mirror
from pipeline.kinematics import canonical_offsets
from pipeline.motion_folder import open_motion_folder
from pipeline.rejects import Reject
from pipeline.representation3d import features_from_canonical, recover_all_joints
from pipeline.skeletons import HUMANML3D, KIT
from pipeline.splits import split_of


def read(path, skeleton=HUMANML3D) -> tuple[dict[str, Motion], dict[str, str]]:
    items = list(folder_motions(open_motion_folder(path, skeleton)))
    motions = {item.motion_id: item for item in items if isinstance(item, Motion)}
    rejects = {item.name: item.reason for item in items if isinstance(item, Reject)}
    assert len(motions) + len(rejects) == len(items)
    return motions, rejects


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_vectors_are_taken_as_they_are_with_captions_tokens_and_splits(tmp_path, skeleton):
    rows = {"000001": vectors(1, 60, skeleton), "M000001": vectors(1, 60, skeleton, mirrored=True)}
    rows |= {"000002": vectors(2, 45, skeleton), "000003": vectors(3, 50, skeleton)}
    write_folder(
        tmp_path, rows, {"train": ["000001", "M000001"], "val": ["000002"], "test": ["000003"]}
    )
    motions, rejects = read(tmp_path, skeleton)
    assert not rejects
    assert set(motions) == {*rows, "M000002", "M000003"}  # M000001 is the folder's own
    for motion_id, values in rows.items():
        motion = motions[motion_id]
        np.testing.assert_array_equal(motion.features, values)
        assert motion.joints.shape == (len(values) + 1, skeleton.n_joints, 3)
        again = features_from_canonical(motion.joints.astype(np.float64), skeleton)
        scale = 1.0 / skeleton.metres_per_unit
        np.testing.assert_allclose(again[:, :-4], values[:, :-4], atol=2e-4 * scale)
        assert (motion.joint_set, motion.fps) == (skeleton.name, skeleton.fps)
    one = motions["000001"]
    assert one.captions == ("a man walks to the left.", "someone turns left")
    assert one.tokens[1] == ("someone/PRON", "turn/VERB", "left/ADV")
    assert [motions[i].split for i in ("M000001", "M000002", "M000003")] == ["train", "val", "test"]
    assert not one.mirrored and motions["M000001"].mirrored and motions["M000002"].mirrored
    assert len(one.source_hash) == 64 and one.source_hash != motions["000002"].source_hash


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_a_missing_mirror_image_is_made_as_the_data_set_would(tmp_path, skeleton):
    write_folder(tmp_path, {"000004": vectors(4, 60, skeleton)}, {"train": ["000004"]})
    made = read(tmp_path, skeleton)[0]["M000004"]
    wanted = vectors(4, 60, skeleton, mirrored=True)
    scale = 1.0 / skeleton.metres_per_unit
    where = slice(0, skeleton.dim3 - 4)
    np.testing.assert_allclose(made.features[:, where], wanted[:, where], atol=1e-3 * scale)
    assert made.captions[1] == "someone turns right"
    assert made.tokens[1] == ("someone/PRON", "turn/VERB", "right/ADV")


def test_a_copy_that_no_list_names_does_not_cost_the_mirror_image(tmp_path):
    rows = {"000001": vectors(1, 60), "M000001": vectors(1, 60, mirrored=True)}
    write_folder(tmp_path, rows, {"train": ["000001"]})
    assert set(read(tmp_path)[0]) == set(rows)


@pytest.mark.shared
def test_the_reference_motion_comes_back(tmp_path, shared):
    with np.load(shared / "reference" / "motion_012314.npz") as arrays:
        reference = dict(arrays)
    write_folder(tmp_path, {"012314": reference["features3d"]}, {"train": ["012314"]})
    (tmp_path / "new_joints").mkdir()
    np.save(tmp_path / "new_joints" / "012314.npy", reference["joints3d"])
    np.save(tmp_path / "Mean.npy", reference["mean3d"])
    np.save(tmp_path / "Std.npy", reference["std3d"])
    motions, rejects = read(tmp_path)
    assert not rejects
    plain = motions["012314"]
    np.testing.assert_array_equal(plain.features, reference["features3d"])
    np.testing.assert_allclose(plain.joints[:-1], reference["joints3d"], atol=1e-4)
    step = np.linalg.norm(plain.joints[-1] - plain.joints[-2], axis=-1)
    assert step.max() < 0.2  # the frame after the last row goes on from it


def test_raw_joints_run_the_whole_chain(tmp_path):
    raw = raw_motion(5, 70)
    hands = np.concatenate([raw, np.zeros((71, 30, 3))], axis=1)  # the files have 52 joints
    write_folder(tmp_path, {"000005": hands}, {"train": ["000005"]}, under="joints")
    motions, _ = read(tmp_path)
    for motion_id, joints in (("000005", raw), ("M000005", mirror(raw, HUMANML3D))):
        canonical = canonicalise(joints, HUMANML3D, canonical_offsets(HUMANML3D))
        wanted = features_from_canonical(canonical, HUMANML3D)
        np.testing.assert_allclose(motions[motion_id].features, wanted, atol=1e-6)
        np.testing.assert_allclose(motions[motion_id].joints, canonical, atol=1e-4)


def test_raw_kit_joints_take_the_first_motions_bones(tmp_path):
    arrays = {f"0000{i}": raw_motion(i, 40, KIT) for i in (1, 2)}
    write_folder(tmp_path, arrays, {"train": list(arrays)}, under="joints")
    motions, rejects = read(tmp_path, KIT)
    assert not rejects and len(motions) == 4

    def bones(joints):
        return [np.linalg.norm(joints[0, j] - joints[0, p]) for p, j in KIT.bones]

    for motion in motions.values():
        np.testing.assert_allclose(bones(motion.joints), bones(arrays["00001"]), rtol=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1e300])
def test_a_first_motion_without_bones_does_not_spoil_the_others(tmp_path, scale):
    arrays = {"00000": scale * raw_motion(1, 40, KIT), "00001": raw_motion(1, 40, KIT)}
    write_folder(tmp_path, arrays, {"train": list(arrays)}, under="joints")
    with np.errstate(all="ignore"):
        good = read(tmp_path, KIT)[0]["00001"]
    for parent, joint in KIT.bones:
        ours, given = (np.linalg.norm(m[0, joint] - m[0, parent])
                       for m in (good.joints, arrays["00001"]))  # fmt: skip
        assert ours == pytest.approx(given, rel=1e-4)


def test_a_caption_of_a_part_makes_the_part_a_motion(tmp_path):
    rows = vectors(6, 180)
    lines = [
        "he walks#he/PRON walk/VERB#0.0#0.0",
        "he turns left#he/PRON turn/VERB left/ADV#2.0#5.5",
        "he stops#he/PRON stop/VERB#2.0#5.5",
        "too brief#too/ADV#1.0#2.0",
        "beyond the end#x/X#8.0#20.0",
    ]
    write_folder(tmp_path, {"000006": rows}, {"train": ["000006"]}, {"000006": lines})
    motions, rejects = read(tmp_path)
    assert set(motions) == {"000006", "M000006", "000006_2-5.5", "M000006_2-5.5"}
    assert motions["000006"].captions == ("he walks",)
    part = motions["000006_2-5.5"]
    np.testing.assert_array_equal(part.features, rows[40:110])
    np.testing.assert_allclose(part.joints[0, 0, [0, 2]], 0.0, atol=1e-6)
    assert part.captions == ("he turns left", "he stops")
    assert motions["M000006_2-5.5"].captions[0] == "he turns right"
    assert set(rejects) == {"000006_1-2", "M000006_1-2", "000006_8-20", "M000006_8-20"}


def test_only_captions_of_parts_leave_the_whole_out(tmp_path):
    lines = ["he turns#he/PRON#0.0#3.0"]
    write_folder(tmp_path, {"000007": vectors(7, 100)}, {"val": ["000007"]}, {"000007": lines})
    assert set(read(tmp_path)[0]) == {"000007_0-3", "M000007_0-3"}


@pytest.mark.parametrize(
    ("skeleton", "rows", "kept"),
    [
        (HUMANML3D, 39, False), (HUMANML3D, 40, True), (HUMANML3D, 199, True),
        (HUMANML3D, 200, False), (KIT, 23, False), (KIT, 24, True), (KIT, 200, False),
    ],
)  # fmt: skip
def test_lengths_are_those_of_the_data_set(tmp_path, skeleton, rows, kept):
    write_folder(tmp_path, {"000008": vectors(8, rows, skeleton)}, {"train": ["000008"]})
    motions, rejects = read(tmp_path, skeleton)
    assert bool(motions) is kept
    if not kept:
        assert f"it has {rows} feature rows, kept are" in rejects["000008"]


def test_bad_items_are_named_rejects_and_the_rest_goes_on(tmp_path):
    good = vectors(9, 50)
    hole = good.copy()
    hole[3, 7] = np.nan
    arrays = {
        "good": good, "nan": hole, "kit": vectors(9, 50, KIT), "flat": good.ravel(),
        "text": good, "empty": good, "untold": good, "words": np.array(["a", "b"]),
        "rows0": good[:0],
    }  # fmt: skip
    texts = {"text": ["no hash marks"], "empty": [""]}
    others = ("gone", "zip", "huge", "header")
    write_folder(tmp_path, arrays, {"train": [*arrays, "cut", "pickle", *others]}, texts)
    (tmp_path / "texts" / "untold.txt").unlink()
    folder = tmp_path / "new_joint_vecs"
    whole = (folder / "good.npy").read_bytes()
    (folder / "cut.npy").write_bytes(whole[: len(whole) // 2])
    np.save(folder / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for name in ("cut", "pickle", *others):
        (tmp_path / "texts" / f"{name}.txt").write_text(LINE)
    for name, data in (
        ("zip", b"PK\x03\x04 and then nothing"),
        ("huge", whole.replace(b"(50, 263)", b"(99999999999, 263)")),
        ("header", whole.replace(b"(50, 263)", b"((((((((")),
    ):
        assert data != whole
        (folder / f"{name}.npy").write_bytes(data)
    motions, rejects = read(tmp_path)
    assert set(motions) == {"good", "Mgood"}
    said = {
        "nan": "not finite", "kit": "crossdiff prepare kitml", "flat": "expected (frames, 263)",
        "text": "line 1 of its text file", "empty": "no captions", "untold": ".txt is missing",
        "words": "does not hold numbers", "gone": "gone.npy is missing", "cut": "cut off",
        "pickle": "not a NumPy array of numbers", "zip": "not a NumPy array of numbers",
        "huge": "or it is cut off", "header": "or it is cut off", "rows0": "0 feature rows",
    }  # fmt: skip
    assert set(rejects) == set(said)
    for name, sentence in said.items():
        assert sentence in rejects[name], name


def test_without_lists_a_motion_and_its_copy_fall_into_one_split(tmp_path):
    ids = [f"{i:06d}" for i in range(12)]
    arrays = {f"{p}{i}": vectors(10, 40) for i in ids for p in ("", "M")}
    write_folder(tmp_path, arrays, {})
    motions, _ = read(tmp_path)
    assert len(motions) == 24
    for i in ids:
        assert motions[i].split == motions[f"M{i}"].split == split_of(i)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda p: (p / "new_joint_vecs").rename(p / "x"), "neither new_joint_vecs/ nor joints/"),
        (lambda p: (p / "texts").rename(p / "x"), "holds no texts/"),
        (lambda p: (p / "val.txt").write_text("a\n"), "a is in train.txt and in val.txt"),
        (lambda p: (p / "test.txt").write_text("../../etc/passwd\n"), "which is no motion id"),
    ],
)
def test_another_layout_is_refused_with_a_sentence(tmp_path, spoil, sentence):
    write_folder(tmp_path, {"a": vectors(11, 40)}, {"train": ["a"]})
    spoil(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        open_motion_folder(tmp_path, HUMANML3D)


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_the_frame_after_the_last_row_is_recovered_too(skeleton):
    canonical = canonicalise(raw_motion(12, 50, skeleton), skeleton)
    features = features_from_canonical(canonical, skeleton)
    scale = 1.0 / skeleton.metres_per_unit
    np.testing.assert_allclose(recover_all_joints(features, skeleton), canonical, atol=1e-4 * scale)
