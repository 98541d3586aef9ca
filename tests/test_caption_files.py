"""Caption lists of a user: every form gives the same captions, and slips are named."""

import json

import pytest

from pipeline.caption_files import Caption, FileCaptions, captions_for, read_captions

WANTED = {
    "a": FileCaptions((Caption("walks, slowly"), Caption("turns", (), 1.5, 3.0)), "test"),
    "sub/b": FileCaptions((Caption("jumps"),)),
}
CSV = """file,caption,split,start,end
a.bvh,"walks, slowly",test,,
a,turns,,1.5,3
sub\\b.BVH,jumps,,,
"""
TSV = CSV.replace('"walks, slowly"', "walks; slowly").replace(",", "\t").replace(";", ",")


def as_json_records() -> str:
    return json.dumps([
        {"file": "a.bvh", "caption": "walks, slowly", "split": "test"},
        {"file": "a", "caption": "turns", "start": 1.5, "end": 3},
        {"file": "sub/b.bvh", "caption": "jumps", "start": None},
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.csv", CSV),
        ("c.csv", "\ufeff" + CSV.replace("\n", "\r\n").replace("file,", " file ,", 1)),
        ("c.tsv", TSV),
        ("c.json", as_json_records()),
    ],
)  # fmt: skip
def test_every_form_of_list_is_read(tmp_path, name, text):
    (tmp_path / name).write_bytes(text.encode())
    assert read_captions(tmp_path / name) == WANTED


def test_json_of_captions_by_file(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps({"a.bvh": "walks", "b": ["runs", "hurries"]}))
    assert read_captions(tmp_path / "c.json") == {
        "a": FileCaptions((Caption("walks"),)),
        "b": FileCaptions((Caption("runs"), Caption("hurries"))),
    }


def test_a_folder_of_texts(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("he # walks#he/PRON walk/VERB#0.0#nan\n\n")
    said = read_captions(tmp_path)["sub/a"].captions
    assert said == (Caption("he # walks", ("he/PRON", "walk/VERB")),)
    assert said[0].part is None


def test_empty_cells_at_the_end_of_a_line_say_nothing(tmp_path):
    (tmp_path / "c.csv").write_text("file,caption\na,walks,,\n")
    assert read_captions(tmp_path / "c.csv") == {"a": FileCaptions((Caption("walks"),))}


def test_a_file_is_found_by_its_path_or_its_name():
    captions = {"sub/a": FileCaptions(split="val"), "a": FileCaptions(split="test")}
    assert captions_for("sub/a.bvh", captions)[0] == "sub/a"
    assert captions_for("other/a.bvh", captions)[0] == "a"
    assert captions_for("b.bvh", captions) == ("", FileCaptions())


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("c.csv", "name,caption\na,b\n", "needs the columns file and caption"),
        ("c.csv", "", "needs the columns file and caption"),
        ("c.csv", "file,caption,split\na,b,training\n", "record 1 of c.csv has the split"),
        ("c.csv", "file,caption\n,b\n", "record 1 of c.csv has no file"),
        ("c.csv", "file,caption,start,end\na,b,x,2\n", "has the time 'x'"),
        ("c.csv", "file,caption,start,end\na,b,-1,2\n", "has the time '-1'"),
        ("c.csv", "file,caption,start,end\na,b,3,2\n", "ends at 2 s, not after its start at 3"),
        ("c.csv", "file,caption,split\na,b,val\na,c,test\n", "record 2 of c.csv puts its file"),
        ("c.csv", "file,caption\na," + "x" * 200_000 + "\n", "cannot be read as a table"),
        (
            "c.csv",
            "file,caption\na,walks, then sits\n",
            "record 1 of c.csv has more cells .* quotes",
        ),
        ("c.json", "{", "c.json is not JSON"),
        ("c.json", "[" * 100_000, "c.json is not JSON"),
        ("c.json", "[1]", "must hold a list of records"),
        ("c.json", '{"a": {"b": 1}}', "has no caption"),
        ("c.xlsx", "x", "must be a .csv, .tsv or .json"),
    ],
)
def test_a_slip_is_named(tmp_path, name, text, sentence):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_captions(tmp_path / name)


def test_a_list_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"none.csv: there is no such file"):
        read_captions(tmp_path / "none.csv")
