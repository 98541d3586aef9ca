"""`crossdiff generate`: files that load, films that show it, errors in a sentence."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from synthetic_motion import random_motion
from tiny_generator import tiny_checkpoint

from flows.cli import main
from models.checkpoint import load_checkpoint, save_checkpoint
from models.generate.generation import (
    MotionRequest,
    generate,
    noise_seed,
)
from models.generate.sampling import SampleSettings
from pipeline.generated_files import file_stem, read_sentences, write_motion
from pipeline.render.generated_film import Sentence, write_generated_film
from pipeline.render.palette import Limb, limb_of, skeleton_limbs
from pipeline.representation3d import recover_joints
from pipeline.skeletons import HUMANML3D, SKELETONS

ROOT = Path(__file__).resolve().parent.parent
WALK, SIT = "a person walks", "a person sits down"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint on disk that takes the packaged encoder's embeddings."""
    place, made = tmp_path_factory.mktemp("tiny") / "tiny", tiny_checkpoint(text_dim=384)
    save_checkpoint(
        place, made.network, made.statistics, made.skeleton, masks_padding=True,
        about={"text_encoder": "all-MiniLM-L6-v2"},
    )  # fmt: skip
    return place


@pytest.mark.parametrize(
    ("caption", "stem"),
    [
        ("A person walks!", "00_a-person-walks_0"),
        ("../../etc/passwd", "00_etc-passwd_0"),
        ("Été à l'école", "00_ete-a-l-ecole_0"),
        ("一个人走路", "00_motion_0"),
        ("x" * 10_000, f"00_{'x' * 40}_0"),
        ("a\x00b\nc/../d", "00_a-b-c-d_0"),
        ("", "00_motion_0"),
    ],
)
def test_file_names_are_safe_whatever_the_caption_says(caption, stem):
    assert file_stem(0, caption, 0) == stem


def test_a_fact_that_would_need_pickle_is_refused_and_leaves_no_file(tmp_path):
    rows = np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match="settings cannot be kept"):
        write_motion(tmp_path / "m.npz", rows, rows, {"settings": {"a": 1}}, 20.0)
    assert list(tmp_path.iterdir()) == []


def test_sentences_come_one_a_line(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_bytes("\ufeffa person läuft\r\n\n  sits  \n".encode())
    assert read_sentences(file) == ("a person läuft", "sits")
    for content, says in ((b"\xff\xfe\x00", "not a UTF-8 text"), (b" \n\n", "no sentence")):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=says):
            read_sentences(file)


# Films


def pictures(path: Path) -> np.ndarray:
    reader, found = cv2.VideoCapture(str(path)), []
    while (read := reader.read())[0]:
        found.append(read[1])
    return np.stack(found)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_a_film_shows_both_sides_of_either_skeleton_and_the_sentence_of_the_moment(
    tmp_path, skeleton
):
    joints = random_motion(3, 20, skeleton)
    joints -= joints[..., 1].min() * np.array([0, 1, 0])
    sentences = [Sentence(0, "first words " * 12), Sentence(10, "then")]
    out = tmp_path / "film.mp4"
    info = write_generated_film(joints, 20.0, out, sentences, skeleton=skeleton)
    film = pictures(out)
    assert (len(film), film.shape[1], film.shape[2]) == (20, info.height, info.width)
    body = film[:, :480].reshape(-1, 3)[:, ::-1].astype(int)
    for limb in (Limb.LEFT_LEG, Limb.RIGHT_LEG, Limb.LEFT_ARM, Limb.RIGHT_ARM):
        near = np.abs(body - limb.colour).sum(axis=1) < 90
        assert near.sum() > 20 * 20, limb
    words = film[:, 480:, :500].astype(float).mean(axis=(1, 2, 3))
    assert words[:10].mean() > words[10:].mean() + 1  # the long sentence, then the short one


def test_a_2d_motion_is_shown_flat_and_strange_captions_do_no_harm(tmp_path):
    view = random_motion(3, 6)[..., :2]
    caption = "人 %n {x} <b>\x07 \n" + "w" * 5000 + " and" * 5000
    info = write_generated_film(view, 20.0, tmp_path / "v.mp4", [Sentence(0, caption)], note="x")
    assert info.frames == len(pictures(tmp_path / "v.mp4")) == 6


def test_limbs_by_side_and_chain_are_those_of_the_joint_names():
    assert skeleton_limbs(HUMANML3D) == tuple(limb_of(name) for name in HUMANML3D.joint_names)


# The command


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict]:
    status = main(["generate", *map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as loaded:
        return dict(loaded)


def test_a_run_writes_motions_that_load_films_that_play_and_an_index(folder, tmp_path, capsys):
    out = tmp_path / "out"
    status, data = run(
        capsys, WALK, "人走 <b>", "--checkpoint", folder, "--n", 2, "--steps", 3, "--length", 2.5,
        "--out", out, "--sampler", "ddpm", "--seed", 5,
    )  # fmt: skip
    assert status == 0
    index = json.loads((out / "generated.json").read_text())
    assert index == {k: v for k, v in data.items() if k != "index"}
    assert len(index["motions"]) == 4
    named = {m[kind] for m in index["motions"] for kind in ("npz", "mp4")}
    assert {p.name for p in out.iterdir()} == named | {"generated.json"}  # nothing half-done left
    for entry in index["motions"]:
        held = arrays(out / entry["npz"])
        assert held["joints"].shape == (50, 22, 3)
        assert held["features"].shape == (50, 263)
        np.testing.assert_array_equal(held["joints"], recover_joints(held["features"], HUMANML3D))
        assert str(held["caption"]) == entry["sentences"][0]
        assert str(held["checkpoint_id"]) == index["checkpoint_id"]
        assert (float(held["fps"]), int(held["seed"]), int(held["steps"])) == (20.0, 5, 3)
        assert (str(held["sampler"]), float(held["guidance"])) == ("ddpm", 2.5)
        assert len(pictures(out / entry["mp4"])) == 50

    # A later run of one of the sentences alone, in another place: the same motions.
    again = tmp_path / "again"
    _, data = run(
        capsys, "人走 <b>", "--checkpoint", folder, "--steps", 3, "--length", 2.5, "--out", again,
        "--sampler", "ddpm", "--seed", 5, "--no-film",
    )  # fmt: skip
    (entry,) = data["motions"]
    assert entry["mp4"] is None
    expected = arrays(out / index["motions"][2]["npz"])["features"]
    np.testing.assert_array_equal(arrays(again / entry["npz"])["features"], expected)


def test_a_text_file_chained_makes_one_motion(folder, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text(f"{SIT}\n{WALK}\n")
    status, data = run(
        capsys, WALK, "--texts", tmp_path / "texts.txt", "--chain", "--checkpoint", folder,
        "--steps", 2, "--length", 2, "--out", tmp_path / "out", "--mode", "mixture", "--no-film",
    )  # fmt: skip
    assert status == 0
    (entry,) = data["motions"]
    assert entry["sentences"] == [WALK, SIT, WALK]
    # Parts of 40 frames; the later ones are drawn as long as the network allows (56), 20 shared.
    assert entry["frames"] == 40 + 2 * 36
    held = arrays(tmp_path / "out" / entry["npz"])
    assert held["joints"].shape == (112, 22, 3)
    assert held["sentences"].tolist() == entry["sentences"]
    assert held["starts"].tolist() == entry["starts"] == [0, 30, 66]


def test_2d_writes_a_view(folder, tmp_path, capsys):
    status, data = run(
        capsys, WALK, "--checkpoint", folder, "--steps", 2, "--length", 2, "--mode", "2d",
        "--out", tmp_path,
    )  # fmt: skip
    assert status == 0
    held = arrays(tmp_path / data["motions"][0]["npz"])
    assert held["joints"].shape == (40, 22, 2)
    assert held["features"].shape == (40, 134)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give at least one sentence"),
        (["  "], "give at least one sentence"),
        ([WALK, "--length", "1.5"], "the length must be 2 to 2.8 seconds"),
        ([WALK, "--steps", "0"], "steps must be 1 to 1000, not 0"),
        ([WALK, "--alpha", "1000"], "alpha must be 0 to 999"),
        ([WALK, "--guidance", "nan"], "guidance must be 0 to 100"),
        ([WALK, "--n", "0"], "--n must be at least 1"),
        ([WALK, "--device", "tpu"], "give auto, cpu, cuda or cuda:N"),
        ([WALK, "--texts", "no/such/file"], "cannot read no/such/file"),
        ([WALK, SIT, "--chain", "--mode", "2d"], "3D only"),
        ([WALK, "--text-encoder", "no/such/clip"], "does not exist"),
        ([WALK, "--checkpoint", "no/such/folder"], "is not a checkpoint folder"),
    ],
)
def test_wrong_input_is_refused_in_one_sentence_before_anything_is_written(
    folder, tmp_path, capsys, arguments, says
):
    given = ["--length", "2", "--checkpoint", folder, *arguments]  # the later one counts
    status, data = run(capsys, *given, "--out", tmp_path / "out")
    assert status == 2
    assert says in data["error"]
    assert "\n" not in data["error"]
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_named(folder, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    status, data = run(
        capsys, WALK, "--checkpoint", folder, "--length", 2, "--out", tmp_path / "file"
    )
    assert status == 2
    assert str(tmp_path / "file") in data["error"]


KILLED = """
import sys
import flows.generate as g
write = g.write_generated_film
def slow(*arguments, **more):
    write(*arguments, **more)
    print("written", flush=True)
    sys.stdin.read()
g.write_generated_film = slow
from flows.cli import main
main(sys.argv[1:])
"""


def test_a_killed_run_leaves_whole_files_and_no_index_and_the_next_run_completes_it(
    folder, tmp_path, capsys
):
    arguments = ["generate", WALK, "--checkpoint", str(folder), "--n", "2", "--steps", "2"]
    arguments += ["--length", "2", "--out", str(tmp_path), "--json"]
    main(arguments)
    first = json.loads(capsys.readouterr().out)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "generated.json").exists()
    for file in tmp_path.glob("*.npz"):
        assert arrays(file)["joints"].shape == (40, 22, 3)
    main(arguments)
    assert json.loads(capsys.readouterr().out) == first


def test_the_shipped_weights_generate(tmp_path, capsys):
    started = time.monotonic()
    status, data = run(capsys, WALK, "--out", tmp_path, "--length", 2, "--steps", 4, "--no-film")
    assert status == 0
    held = arrays(tmp_path / data["motions"][0]["npz"])
    assert np.isfinite(held["joints"]).all()
    height = np.ptp(held["joints"][..., 1], axis=1)
    assert 0.5 < np.median(height) < 2.2
    assert time.monotonic() - started < 60


def test_the_saved_tiny_checkpoint_is_what_the_command_used(folder, tmp_path, capsys):
    _, data = run(
        capsys, WALK, "--checkpoint", folder, "--steps", 2, "--length", 2, "--out", tmp_path,
        "--no-film",
    )  # fmt: skip
    from models.text.text_encoder import MiniLM

    loaded = load_checkpoint(folder)
    wanted = MotionRequest(MiniLM().encode([WALK])[0], 40, noise_seed(1, WALK, 0))
    (motion,) = generate(loaded, [wanted], SampleSettings(steps=2))
    held = arrays(tmp_path / data["motions"][0]["npz"])
    np.testing.assert_array_equal(held["features"], motion.features)
    assert data["checkpoint_id"] == loaded.checkpoint_id
