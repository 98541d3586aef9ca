"""Which files a user means, and what their names say."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.video import find_videos
from pipeline.video.sources import VIDEO_SUFFIXES


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_a_folder_is_searched_whole_and_sorted(tmp_path: Path):
    touch(tmp_path, "b/two.MP4", "b/c/three.mov", "a.avi", "notes.txt", "b/truth.npz")
    clips = find_videos(tmp_path)
    assert [clip.name for clip in clips] == ["a.avi", "b/c/three.mov", "b/two.MP4"]
    assert [clip.action for clip in clips] == [None, "c", "b"]
    assert all(clip.path.is_absolute() and clip.path.is_file() for clip in clips)


def test_hidden_half_written_and_unreal_files_are_left_out_but_broken_ones_stay(tmp_path: Path):
    touch(tmp_path, "ok.mp4", ".hidden.mp4", ".cache/x.mp4", "a.mp4.part", "b.tmp", "c.crdownload")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "nowhere")
    assert [clip.name for clip in find_videos(tmp_path)] == ["ok.mp4"]  # which is empty


def test_a_hidden_folder_may_be_given_itself(tmp_path: Path):
    touch(tmp_path, ".data/a.mp4")
    assert [clip.name for clip in find_videos(tmp_path / ".data")] == ["a.mp4"]


def test_ucf101_names_are_read_wherever_they_lie(tmp_path: Path):
    touch(tmp_path, "YoYo/v_YoYo_g15_c01.avi", "v_HandStandPushups_g03_c12.avi", "YoYo/v_x.avi")
    found = {clip.name: (clip.action, clip.group, clip.clip) for clip in find_videos(tmp_path)}
    assert found == {
        "YoYo/v_YoYo_g15_c01.avi": ("YoYo", 15, 1),
        "v_HandStandPushups_g03_c12.avi": ("HandStandPushups", 3, 12),
        "YoYo/v_x.avi": ("YoYo", None, None),
    }


def test_one_file_of_any_name(tmp_path: Path):
    touch(tmp_path, "Punch/v_Punch_g01_c02.avi", "odd.bin")
    (clip,) = find_videos(tmp_path / "Punch" / "v_Punch_g01_c02.avi")
    assert (clip.name, clip.action, clip.group) == ("v_Punch_g01_c02.avi", "Punch", 1)
    assert find_videos(str(tmp_path / "odd.bin"))[0].action is None


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_list_names_files_relative_to_itself_and_overrides(tmp_path: Path, kind: str):
    touch(tmp_path, "in/v_Punch_g01_c02.avi", "lists/here.mp4")
    rows = {
        "path": ["here.mp4", "../in/v_Punch_g01_c02.avi", "gone.mp4"],
        "action": ["", "boxing", None],
        "caption": ["a man waves", None, ""],
    }
    listing = tmp_path / "lists" / f"list.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table(rows), listing)
    else:
        lines = [",".join(cell or "" for cell in row) for row in zip(*rows.values(), strict=True)]
        listing.write_text("\n".join([",".join(rows), *lines, ",,"]) + "\n", encoding="utf-8-sig")
    here, punch, gone = find_videos(listing)
    assert (here.name, here.action, here.caption) == ("here.mp4", None, "a man waves")
    assert (punch.action, punch.group, punch.caption) == ("boxing", 1, None)
    assert punch.path.samefile(tmp_path / "in" / "v_Punch_g01_c02.avi")
    assert gone.name == "gone.mp4"  # a missing file becomes a row with a reason, later


def test_mistakes_are_told_in_one_sentence(tmp_path: Path):
    touch(tmp_path, "empty/readme.txt")
    (tmp_path / "list.csv").write_text("file,action\na.mp4,run\n")
    for spec, word in [
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "empty", "holds no video"),
        (tmp_path / "list.csv", "no column 'path'"),
    ]:
        with pytest.raises(ValueError, match=word) as caught:
            find_videos(spec)
        assert str(spec) in str(caught.value) and "\n" not in str(caught.value)


def test_suffixes_are_lower_case():
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in VIDEO_SUFFIXES)
