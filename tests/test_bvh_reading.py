"""BVH files: equal to an independent reader, any channels, and broken ones refused by name."""

import warnings
from itertools import pairwise

import numpy as np
import pybvh
import pytest
from bvh_files import ROOT_CHANNELS, mixamo, save, swinging, tree_lines

from pipeline.bvh_file import BvhError, read_bvh
from pipeline.bvh_kinematics import joint_positions, pieces, resample


@pytest.fixture
def good(tmp_path):
    tree = mixamo()
    save(tmp_path / "good.bvh", tree_lines(tree), swinging(tree, 40), 30.0)
    return tmp_path / "good.bvh"


def test_joints_are_where_another_reader_puts_them(good):
    ours = joint_positions(read_bvh(good))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pybvh.read_bvh_file(good, world_up="+y")
    places = theirs.joint_positions()
    assert len(theirs.joint_names) == 22
    for i, name in enumerate(theirs.joint_names):
        np.testing.assert_allclose(ours[name], places[:, i], atol=1e-4)
    assert read_bvh(good).fps == 30


def test_tips_of_last_bones_have_names(good):
    places = joint_positions(read_bvh(good))
    tip = places["mixamorig:Head end"] - places["mixamorig:Head"]
    np.testing.assert_allclose(np.linalg.norm(tip, axis=-1), np.sqrt(10.0), atol=1e-9)


def test_position_channels_stand_in_for_the_offset(tmp_path):
    """Xsens and Maya move every joint; offsets then are only the rest pose."""
    tree = ("Hips", (0, 0, 0), [("Spine", (0, 10, 0), [])])
    values = np.zeros((3, 12))
    values[:, 7] = [10.0, 11.0, 12.0]  # Spine's Yposition
    values[:, 3] = 90.0  # the hips turn about z: up becomes -x
    save(tmp_path / "six.bvh", tree_lines(tree, ROOT_CHANNELS), values, 20.0)
    spine = joint_positions(read_bvh(tmp_path / "six.bvh"))["Spine"]
    np.testing.assert_allclose(spine, [[-10, 0, 0], [-11, 0, 0], [-12, 0, 0]], atol=1e-9)


def test_rotations_apply_in_the_order_of_their_channels(tmp_path):
    tree = ("Hips", (0, 0, 0), [("A", (0, 0, 0), [("B", (1, 0, 0), [])])])
    values = np.zeros((2, 11))
    values[:, 6:8] = [90.0, 90.0]  # A: about y, then about z of the turned axes
    save(tmp_path / "two.bvh", tree_lines(tree, "Yrotation Zrotation"), values[:, :10], 20.0)
    places = joint_positions(read_bvh(tmp_path / "two.bvh"))
    np.testing.assert_allclose(places["B"], [[0, 1, 0]] * 2, atol=1e-9)


def test_layout_of_lines_and_names_with_spaces_do_not_matter(tmp_path):
    text = (
        "HIERARCHY\r\nROOT Bip01 Pelvis { OFFSET 0 0 0 CHANNELS 3 Zrotation Xrotation Yrotation\r\n"
        "JOINT Bip01 L Thigh\r\n{ OFFSET 1 0 0\r\nCHANNELS 1 Zrotation\r\n"
        "End Site\r\n{ OFFSET 0 -1 0 } } }\r\nMOTION\r\nFrames:\t1\r\nFrame Time:\t0.0083333\r\n"
        "0 0 0 90\r\n\r\n"
    )
    (tmp_path / "odd.bvh").write_bytes(b"\xef\xbb\xbf" + text.encode())
    bvh = read_bvh(tmp_path / "odd.bvh")
    assert [n.name for n in bvh.nodes] == ["Bip01 Pelvis", "Bip01 L Thigh", "Bip01 L Thigh end"]
    assert bvh.fps == 120
    tip = joint_positions(bvh)["Bip01 L Thigh end"]
    np.testing.assert_allclose(tip, [[2, 0, 0]], atol=1e-9)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: "hello", "does not begin with HIERARCHY"),
        (lambda t: "", "does not begin with HIERARCHY"),
        (lambda t: t[:400], "ends before its MOTION"),
        (lambda t: t[: t.index("Frames")], "must begin with 'Frames:'"),
        (lambda t: t[: int(len(t) * 0.8)].rsplit("\n", 1)[0], "announces 40 frames and holds"),
        (lambda t: t.rstrip().rsplit(" ", 1)[0], "frame 39 does not hold 69 numbers"),
        (lambda t: t.replace("Zrotation Xrotation", "Zrotation", 5), "announce"),
        (lambda t: t.replace("Yposition", "Wposition"), "'Wposition', which is unknown"),
        (lambda t: t.replace("OFFSET 0.0 -42.0 0.0", "OFFSET 0.0 x", 1), "where numbers belong"),
        (lambda t: t.replace("OFFSET 0.0 -42.0 0.0", "OFFSET 0.0", 1), "OFFSET of three numbers"),
        (lambda t: t.replace("}", "", 3), "not closed"),
        (lambda t: t.replace("97.00000000", "nan"), "not finite"),
        (lambda t: t.replace("97.00000000", "1e999"), "not finite"),
        (lambda t: t.replace("97.00000000", "abc"), "frame 0 does not hold"),
        (lambda t: t.replace("Frames: 40", "Frames: x"), "no numbers"),
        (lambda t: t.replace("0.0333333", "0"), "frame time of 0 s"),
        (lambda t: t.replace("0.0333333", "nan"), "frame time of nan s"),
        (lambda t: t[: t.index("Frame Time")] + "Frame Time: 0.05\n", "not one frame"),
        (lambda t: t.replace("JOINT mixamorig:Neck", "JIONT mixamorig:Neck"), "'JIONT'"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_with_a_sentence(good, change, sentence):
    good.write_text(change(good.read_text()))
    with pytest.raises(BvhError, match=sentence):
        read_bvh(good)


def test_a_joint_may_be_called_like_a_part_of_the_file(good):
    """Regression: everything after the name was taken for the frames."""
    before = read_bvh(good)
    good.write_text(good.read_text().replace("mixamorig:Hips", "MOTION ROOT"))
    bvh = read_bvh(good)
    assert bvh.nodes[0].name == "MOTION ROOT"
    assert (bvh.values == before.values).all()


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "b.bvh").write_bytes(bytes(range(256)) * 8)
    with pytest.raises(BvhError, match="not a BVH"):
        read_bvh(tmp_path / "b.bvh")


@pytest.mark.parametrize("fps", [120.0, 100.0, 60.0, 59.94, 30.0, 29.97, 24.0, 12.5, 20.0])
def test_resampling_keeps_slow_motion_and_its_timing(fps):
    times = np.arange(int(6 * fps)) / fps
    signal = np.stack([np.sin(2 * np.pi * 0.7 * times), times, np.ones_like(times)], axis=-1)
    out = resample(signal[:, None], fps, 20.0)[:, 0]
    wanted = np.arange(len(out)) / 20.0
    assert len(out) == pytest.approx(6 * 20.0, abs=1.01)
    inside = slice(15, -15)  # the filter's reach
    np.testing.assert_allclose(out[inside, 0], np.sin(2 * np.pi * 0.7 * wanted)[inside], atol=4e-3)
    np.testing.assert_allclose(out[:, 1], wanted, atol=0.03)


def test_resampling_does_not_alias_what_is_too_fast():
    times = np.arange(1200) / 120.0
    hum = np.sin(2 * np.pi * 19.0 * times)[:, None, None]  # would alias to 1 Hz at 20 fps
    assert np.abs(hum[::6]).max() > 0.9
    assert np.abs(resample(hum, 120.0, 20.0)[20:-20]).max() < 0.02


@pytest.mark.parametrize("frames", [197, 198, 201, 394, 395, 5000])
def test_pieces_cover_a_clip_evenly(frames):
    bounds = pieces(frames, 197)
    assert bounds[0][0] == 0 and bounds[-1][1] == frames
    assert all(a[1] == b[0] for a, b in pairwise(bounds))
    lengths = [b - a for a, b in bounds]
    assert max(lengths) <= 197 and max(lengths) - min(lengths) <= 1
