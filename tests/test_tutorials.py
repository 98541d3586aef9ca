"""Every command of README's tutorials, run as it stands there, in its order."""

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cli_runs
import imageio_ffmpeg
import pytest
from bvh_files import write_humanml3d_bvh
from truth_clips import all_truth_clips, canonical_motion

from pipeline.bvh_file import read_bvh

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"<!-- tutorial: (?P<name>\w+) -->\n```sh\n(?P<lines>.*?)```", re.DOTALL)
ACTIVATE = ". .venv/bin/activate"
NAMES = ("bvh", "sentence", "finetune")
MOCAP_FPS = 20.0
MAY_DECLINE = ("finetune", "ingest")
"""Status 1 is a gate that rejects, or a file that is no video."""


@dataclass(frozen=True)
class Tutorial:
    folder: Path
    """Where a reader would sit: with videos, recordings and our weights in it."""
    home: Path


def blocks() -> dict[str, list[list[str]]]:
    """By name: each command as a shell would split it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return {
        found["name"]: [
            shlex.split(line, comments=True)
            for line in found["lines"].splitlines()
            if line.strip() not in ("", ACTIVATE)
        ]
        for found in BLOCK.finditer(text)
    }


@pytest.fixture(scope="module")
def tutorial(prefect_home, tmp_path_factory) -> Tutorial:
    folder = tmp_path_factory.mktemp("reader")
    (folder / "models").symlink_to(ROOT / "models")
    make_videos(folder / "videos")
    make_recordings(folder)
    return Tutorial(folder, prefect_home)


def make_videos(folder: Path) -> None:
    """Two recordings of one class (the second is the first in a mirror), and a file of no use."""
    source = all_truth_clips()["JumpingJack"].video
    place = folder / "JumpingJack"
    place.mkdir(parents=True)
    shutil.copy2(source, place)
    mirrored = place / "v_JumpingJack_g02_c01.avi"
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run(
        [ffmpeg, "-v", "error", "-i", str(source), "-vf", "hflip", "-q:v", "3", str(mirrored)],
        check=True,
    )
    (folder / "notes.avi").write_bytes(b"no video" * 512)


def make_recordings(folder: Path) -> None:
    """Captured motion as BVH files, with captions and splits."""
    rows = ["file,caption,split"]
    (folder / "recordings").mkdir()
    for name in all_truth_clips():
        joints = canonical_motion(name)  # constant bones, as a BVH has them
        for split, part in (("train", joints), ("val", joints[:50]), ("test", joints[-50:])):
            file = f"{name}_{split}.bvh"
            write_humanml3d_bvh(folder / "recordings" / file, part, MOCAP_FPS)
            rows.append(f"{file},a person does a {name},{split}")
    (folder / "captions.csv").write_text("\n".join(rows) + "\n")


def run(tutorial: Tutorial, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tutorial.folder)
    for program, *words in blocks()[name]:
        assert program == "crossdiff"
        arguments = [part for word in words for part in _expanded(word)]
        done = cli_runs.run(tutorial.home, *arguments)
        good = (0, 1) if words[0] in MAY_DECLINE else (0,)
        assert done.status in good, f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}"


def _expanded(word: str) -> list[str]:
    return sorted(map(str, Path().glob(word))) or [word] if "*" in word else [word]


def test_there_are_the_tutorials_that_are_tested_here():
    assert sorted(blocks()) == sorted(NAMES)


def test_from_videos_to_bvh(tutorial, monkeypatch):
    run(tutorial, "bvh", monkeypatch)
    films = sorted((tutorial.folder / "bvh").glob("*.bvh"))
    assert len(films) == 2  # one a clip
    read = read_bvh(films[0])
    assert "LeftForeArm" in {node.name for node in read.nodes}
    assert len(list((tutorial.folder / "glb").glob("*.glb"))) == 2


def test_from_a_sentence_to_bvh(tutorial, monkeypatch):
    run(tutorial, "sentence", monkeypatch)
    assert len(list((tutorial.folder / "waving").glob("*.bvh"))) == 1


def test_from_videos_to_a_finetuned_network(tutorial, monkeypatch):
    run(tutorial, "finetune", monkeypatch)
    verdict = json.loads((tutorial.folder / "trained/first/gate.json").read_text())
    assert verdict["verdict"] in ("promoted", "rejected")
    assert list((tutorial.folder / "jumping").glob("*.mp4"))
