"""Skeleton files: what they say, arrays left in the file, and files that mean harm."""

import os
import pickle
import struct
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skeleton_files

from pipeline.class_names import class_of, read_class_names
from pipeline.pickled_arrays import BytesInFile, PickledArray
from pipeline.plain_pickle import read_pickle_with_arrays
from pipeline.pose.joint_sets import COCO17
from pipeline.reasons import PipelineError, Reason
from pipeline.skeleton_files import hash_skeletons, list_skeletons
from pipeline.skeleton_tracks import skeleton_tracks

FPS = 25.0
SIZE = (320, 240)


def person(frames: int = 60, x: float = 100.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Somebody about 150 pixels tall around `x`, moving a little."""
    rng = np.random.default_rng(seed)
    body = rng.uniform([-25, 40], [25, 190], (len(COCO17), 2))
    sway = 4 * np.sin(np.arange(frames) / 8)[:, None, None]
    joints = body + np.array([x, 0]) + sway
    return joints.astype(np.float16), np.full((frames, len(COCO17)), 0.75, np.float16)


def values_of(path: Path, array: object) -> np.ndarray:
    assert isinstance(array, PickledArray)
    with path.open("rb") as file:
        return array.read(file)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_file_reads_as_it_would_unpickle(tmp_path: Path, protocol: int) -> None:
    clips = [
        skeleton_files.annotation("v_YoYo_g01_c01", [person()], SIZE, 100),
        skeleton_files.annotation("v_YoYo_g01_c02", [person(5), person(5, 200, 1)], SIZE, 100),
        {**skeleton_files.annotation("odd", [person(9)], SIZE),
         "label": np.int64(7), "total_frames": np.int16(9),
         "keypoint": np.asfortranarray(person(9)[0][None]).astype(">f4"),
         "keypoint_score": np.ones((1, 9, 17))},
    ]  # fmt: skip
    split = {"train1": ["v_YoYo_g01_c01", "odd"], "test1": ["v_YoYo_g01_c02"], "all": ["odd"]}
    path = skeleton_files.write(tmp_path / "ucf.pkl", clips, split, protocol)
    found = read_pickle_with_arrays(path)
    assert found["split"] == split
    assert isinstance(found["annotations"][0]["keypoint"].content, BytesInFile)  # not in memory
    for made, read in zip(clips, found["annotations"], strict=True):
        for name, value in made.items():
            if isinstance(value, np.ndarray):
                there = values_of(path, read[name])
                np.testing.assert_array_equal(there, value)
                assert there.dtype == value.dtype.newbyteorder("=")
            else:
                assert read[name] == value, name
    records = list_skeletons(path)
    assert [r.splits for r in records] == [("train1",), ("test1",), ("train1", "all")]
    assert [(r.name, r.label, r.size, r.frames) for r in records] == [
        ("v_YoYo_g01_c01", "100", SIZE, 60), ("v_YoYo_g01_c02", "100", SIZE, 5),
        ("odd", "7", SIZE, 9),
    ]  # fmt: skip


def test_numpy_2_names_and_the_older_layout_read_the_same(tmp_path: Path) -> None:
    clips = [skeleton_files.annotation(f"c{i}", [person(30, seed=i)], SIZE) for i in range(3)]
    hashes = set()
    for protocol in (2, 4, 5):
        path = skeleton_files.write(tmp_path / f"p{protocol}.pkl", clips, None, protocol)
        hashes.add(tuple(hash_skeletons(path, list_skeletons(path))))
        content = path.read_bytes()
        assert b"numpy.core" in content
        if protocol == 2:  # names are lines there, and no frame counts bytes
            path.write_bytes(content.replace(b"numpy.core", b"numpy._core"))
            hashes.add(tuple(hash_skeletons(path, list_skeletons(path))))
    (only,) = hashes  # one content, however it is written
    assert len(set(only)) == 3


def test_hashes_are_of_the_content(tmp_path: Path) -> None:
    joints, scores = person(30)
    other = joints.copy()
    other[7, 3, 1] += 1
    clips = [
        skeleton_files.annotation("a", [(joints, scores)], SIZE),
        skeleton_files.annotation("b", [(joints, scores)], SIZE),
        skeleton_files.annotation("c", [(other, scores)], SIZE),
        skeleton_files.annotation("d", [(joints, scores)], SIZE[::-1]),
        {"frame_dir": "e"},
        {"frame_dir": "f"},
    ]
    path = skeleton_files.write(tmp_path / "x.pkl", clips)
    a, b, *others = hash_skeletons(path, list_skeletons(path))
    assert a == b
    assert len({a, *others}) == 5  # nothing readable is one content only by its name


def test_people_are_followed_through_whatever_places_they_have(tmp_path: Path) -> None:
    (one, sure), (two, _) = person(80, 80), person(80, 240, 1)
    joints, scores = np.stack([one, two]), np.stack([sure, sure])
    straight = skeleton_files.annotation("straight", [(one, sure), (two, sure)], SIZE)
    swapped = {**straight, "frame_dir": "swapped",
               "keypoint": np.concatenate([joints[:, :40], joints[::-1, 40:]], axis=1)}  # fmt: skip
    scores = scores.copy()
    scores[1, 30:50] = 0
    away = {**straight, "frame_dir": "away", "keypoint_score": scores}
    path = skeleton_files.write(tmp_path / "x.pkl", [straight, swapped, away])
    plain, mixed, gone = (skeleton_tracks(path, r, FPS) for r in list_skeletons(path))
    assert len(plain) == len(mixed) == 2
    for a, b, truth in zip(plain, mixed, joints, strict=True):
        np.testing.assert_array_equal(a.pose.joints, truth.astype(np.float32))
        np.testing.assert_array_equal(a.pose.joints, b.pose.joints)
        assert (a.pose.joint_set, a.pose.frame_size) == ("coco17", SIZE)
        np.testing.assert_allclose(a.pose.times, np.arange(80) / FPS)
    seen = sorted(track.seen.sum() for track in gone)
    assert seen[-1] == 80
    assert sum(seen) == 80 + 60  # a score of zero is nobody
    assert all(np.isnan(t.pose.joints[~t.seen]).all() for t in gone)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"keypoint": None}, "no array 'keypoint'"),
        ({"keypoint_score": [1, 2]}, "no array 'keypoint_score'"),
        ({"keypoint": np.zeros((1, 30, 25, 3), np.float16)}, r"\(1, 30, 25, 3\).*COCO"),
        ({"keypoint_score": np.zeros((1, 29, 17), np.float16)}, r"scores are \(1, 29, 17\)"),
        ({"keypoint": np.zeros((1, 30, 17, 2), np.int16)}, "not floats"),
        ({"keypoint": np.zeros((0, 30, 17, 2), np.float16),
          "keypoint_score": np.zeros((0, 30, 17), np.float16)}, "empty: 0 persons"),
        ({"img_shape": None, "original_shape": None}, "picture's size"),
        ({"img_shape": (240, -5)}, "picture's size"),
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_used_says_why(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    good = skeleton_files.annotation("good", [person(30)], SIZE)
    bad = {**good, "frame_dir": "bad", **change}
    path = skeleton_files.write(tmp_path / "x.pkl", [good, bad, 3])
    first, second, third = list_skeletons(path)
    assert first.problem is None
    assert third.problem == "it is no dictionary"
    with pytest.raises(PipelineError, match=said) as told:
        skeleton_tracks(path, second, FPS)
    assert told.value.reason is Reason.BAD_RECORD
    with pytest.raises(ValueError, match=rf"none of the 1 annotations .*x\.pkl.*bad: .*{said}"):
        list_skeletons(skeleton_files.write(path, [bad]))


@pytest.mark.parametrize("nothing", ["scores", "nan", "outside"])
def test_nobody_is_no_person(tmp_path: Path, nothing: str) -> None:
    joints, scores = person(30)
    if nothing == "scores":
        scores = np.zeros_like(scores)
    joints = joints + np.float16({"nan": np.nan, "outside": 5000}.get(nothing, 0))
    path = skeleton_files.write(
        tmp_path / "x.pkl", [skeleton_files.annotation("x", [(joints, scores)], SIZE)]
    )
    with pytest.raises(PipelineError) as told:
        skeleton_tracks(path, list_skeletons(path)[0], FPS)
    assert told.value.reason is Reason.NO_PERSON


class Runs:
    """Unpickled, it makes a file by the way named."""

    def __init__(self, way: object, *arguments: object) -> None:
        self.call = (way, arguments)

    def __reduce__(self) -> Any:
        return self.call


class State:
    """Unpickled, its state is set by a method of its own."""

    def __setstate__(self, state: object) -> None:
        Path("exploded").touch()


def harmful() -> dict[str, object]:
    shaped = np.empty(1, object)
    shaped[0] = Runs(os.system, "touch exploded")
    return {
        "os.system": Runs(os.system, "touch exploded"),
        "eval": Runs(eval, "open('exploded', 'w')"),
        "exec": Runs(exec, "open('exploded', 'w')"),
        "getattr": Runs(getattr, "x", "upper"),
        "touch": Runs(Path.touch, Path("exploded")),
        "objects": shaped,
        "records": np.zeros(3, [("a", "f4"), ("b", "O")]),
        "times": np.array(["2020"], "datetime64[s]"),
        "words": np.array(["a", "bc"]),
        "set": {1, 2},
        "ordered": OrderedDict(a=1),
        "state": State(),
        "numpy": Runs(np.load, "x.npy"),
        "memmap": Runs(np.memmap, "exploded", "f2", "w+", 0, (3,)),
        "fromfile": Runs(np.fromfile, "/etc/hostname"),
    }


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("what", harmful())
def test_what_could_run_is_refused_by_name_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    clip = {**skeleton_files.annotation("x", [person(3)], SIZE), "label": harmful()[what]}
    path = Path("bad.pkl")
    path.write_bytes(pickle.dumps([clip], protocol=protocol))
    before = set(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"bad\.pkl holds more than .*can run code") as told:
        list_skeletons(path)
    assert set(tmp_path.iterdir()) == before
    if protocol and what in ("os.system", "eval", "getattr", "fromfile"):
        assert what.rsplit(".", maxsplit=1)[-1] in str(told.value)
    assert "\n" not in str(told.value)


def raw(*opcodes: bytes) -> bytes:
    return b"\x80\x04" + b"".join(opcodes) + b"."


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


DTYPE = named("numpy", "dtype") + b"X\x02\x00\x00\x00f2\x89\x88\x87R"
BUFFER = named("numpy.core.numeric", "_frombuffer")
HARMFUL_BYTES = {
    "instance": raw(b"(ios\nsystem\n"),
    "object": raw(b"(", named("os", "system"), b"o"),
    "new object": raw(named("os", "system"), b")\x81"),
    "persistent": raw(b"Pid\n"),
    "extension": raw(b"\x82\x01"),
    "buffer": raw(b"\x97"),
    "ndarray called": raw(named("numpy", "ndarray"), b"(K\x01tR"),
    "subclass": raw(named("numpy.core.multiarray", "_reconstruct"), named("numpy", "dtype"),
                    b"K\x00\x85C\x01b\x87R"),
    "state of a list": raw(b"]}b"),
    "call of a word": raw(b"\x8c\x06system\x8c\x02ls\x85R"),
    "dotted name": raw(b"\x8c\x05numpy\x8c\x11core._internal.os\x93"),
    "shape too large": raw(BUFFER, b"(C\x02ab", DTYPE, b"J\xff\xff\xff\x7f\x85\x8c\x01CtR"),
    "negative shape": raw(BUFFER, b"(C\x02ab", DTYPE, b"J\xff\xff\xff\xff\x85\x8c\x01CtR"),
    "long number": raw(b"\x8b" + struct.pack("<i", 1 << 20) + b"\x01" * (1 << 20)),
}  # fmt: skip


@pytest.mark.parametrize("what", HARMFUL_BYTES)
def test_opcodes_by_hand_are_refused_too(tmp_path: Path, what: str) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(HARMFUL_BYTES[what])
    with pytest.raises(ValueError, match=r"bad\.pkl holds more than .*can run code"):
        list_skeletons(path)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no pickle", raw(), raw(b"K\x01"), raw(b"}"), raw(b"]"),
        raw(b"\x8e" + struct.pack("<Q", 1 << 60) + b"ab"),  # says it is an exabyte
        raw(b"B" + struct.pack("<I", 1 << 31) + b"ab"),
        raw(b"\x8d" + struct.pack("<Q", 1 << 40)),
        raw(named("builtins", "bytes"), b"J\xff\xff\xff\x7f\x85R"),  # bytes(2**31)
        raw(b"h\x07"), raw(b"e"), raw(b"R"), raw(b"]]b"[:2], b"b"), b"\x80\x05]",
    ],
)  # fmt: skip
def test_damage_is_one_sentence_and_costs_no_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"bad\.pkl") as told:
        list_skeletons(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6
    assert "\n" not in str(told.value)


def test_a_bomb_of_values_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.plain_pickle.MOST_OPCODES", 10_000)
    path = tmp_path / "bomb.pkl"
    path.write_bytes(raw(b"(" + b"]" * 50_000 + b"l"))
    with pytest.raises(ValueError, match=r"bomb\.pkl.*more than 10,000 values"):
        list_skeletons(path)


def test_every_cut_of_a_file_is_damage(tmp_path: Path) -> None:
    whole = pickle.dumps([skeleton_files.annotation("x", [person(12)], SIZE)], protocol=2)
    path = tmp_path / "cut.pkl"
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.pkl"):
            list_skeletons(path)


def test_flipped_bytes_never_do_more_than_fail(tmp_path: Path) -> None:
    whole = bytearray(pickle.dumps([skeleton_files.annotation("x", [person(3)], SIZE)], protocol=4))
    rng = np.random.default_rng(0)
    path = tmp_path / "flip.pkl"
    for _ in range(300):
        bad = whole.copy()
        bad[rng.integers(len(bad))] = rng.integers(256)
        path.write_bytes(bad)
        try:
            records = list_skeletons(path)
            list(hash_skeletons(path, records))
        except ValueError as error:
            assert "flip.pkl" in str(error)


def test_memory_does_not_hold_the_arrays(tmp_path: Path) -> None:
    clips = [skeleton_files.annotation(f"c{i}", [person(300, seed=i)], SIZE) for i in range(120)]
    path = skeleton_files.write(tmp_path / "large.pkl", clips, {"train1": ["c1"]})
    del clips
    tracemalloc.start()
    records = list_skeletons(path)
    digests = list(hash_skeletons(path, records))
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 3e6
    assert peak < 1e6
    assert len(set(digests)) == len(records) == 120
    assert held < 8_000 * len(records)
    assert len(pickle.dumps(records)) < 700 * len(records)  # what is sent to workers


def test_a_file_that_changed_is_told(tmp_path: Path) -> None:
    path = skeleton_files.write(tmp_path / "x.pkl", [skeleton_files.annotation("x", [person()])])
    (record,) = list_skeletons(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(PipelineError) as told:
        skeleton_tracks(path, record, FPS)
    assert told.value.reason is Reason.UNREADABLE


def test_class_names_by_line_or_by_number(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    for text in ("a\nb c\n", "0 a\n1 b c\n", "1 a\n2 b c\n\n", "2,b c\n1,a\n", "\ufeffa\r\nb c"):
        file.write_text(text, encoding="utf-8", newline="")
        assert read_class_names(file) == ("a", "b c"), text
    assert class_of("1", ("a", "b")) == "b"
    assert class_of(None, ("a",)) is None is class_of("1", ())
    with pytest.raises(ValueError, match=r"2 names.*class 2"):
        class_of("2", ("a", "b"))
    for text, said in (("", "empty"), ("1 a\n3 b\n", "gap"), ("\x00\xff", "cannot be read|empty")):
        file.write_bytes(text.encode("latin-1"))
        with pytest.raises(ValueError, match=said):
            read_class_names(file)
    with pytest.raises(ValueError, match="cannot be read as text"):
        read_class_names(tmp_path / "none.txt")
