"""`crossdiff generate`: the same motion whatever the batch, files that load, plain errors."""

import dataclasses
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
import torch
from synthetic_motion import random_motion

from flows.cli import main
from models.chaining import chain, jerk, join, overlap_frames
from models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from models.generation import (
    BatchPlan,
    MotionRequest,
    fade,
    frames_of,
    generate,
    noise_seed,
    occurrences,
)
from models.network import CrossDiff, NetworkConfig
from models.sampling import SampleSettings
from pipeline.generated_files import file_stem, read_sentences, write_motion
from pipeline.normalisation import Statistics
from pipeline.render.generated_film import Sentence, write_generated_film
from pipeline.render.palette import Limb, limb_of, skeleton_limbs
from pipeline.representation3d import recover_joints
from pipeline.skeletons import HUMANML3D, KIT, SKELETONS, Skeleton

ROOT = Path(__file__).resolve().parent.parent
FEW = SampleSettings(steps=3)
WALK, SIT = "a person walks", "a person sits down"


def tiny_checkpoint(
    skeleton: Skeleton = HUMANML3D, text_dim: int = 8, *, masks_padding: bool = True
) -> Checkpoint:
    torch.manual_seed(0)
    network = CrossDiff(
        NetworkConfig(
            width=16, feed_forward=32, root_feed_forward=16, heads=2, private_layers=1,
            shared_layers=2, root_layers=1, dim3=skeleton.dim3, dim2=skeleton.dim2,
            text_dim=text_dim, max_frames=56,
        )
    ).eval()  # fmt: skip
    rng = np.random.default_rng(0)

    def values(width: int) -> np.ndarray:
        return rng.uniform(0.01, 0.1, width).astype(np.float32)

    statistics = Statistics(
        values(skeleton.dim3), values(skeleton.dim3), values(skeleton.dim2), values(skeleton.dim2)
    )
    return Checkpoint(network, statistics, skeleton, "tiny", masks_padding)


@pytest.fixture(scope="module")
def tiny() -> Checkpoint:
    return tiny_checkpoint()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint on disk that takes the packaged encoder's embeddings."""
    place, made = tmp_path_factory.mktemp("tiny") / "tiny", tiny_checkpoint(text_dim=384)
    save_checkpoint(
        place, made.network, made.statistics, made.skeleton, masks_padding=True,
        about={"text_encoder": "all-MiniLM-L6-v2"},
    )  # fmt: skip
    return place


def request(frames: int, seed: int = 0) -> MotionRequest:
    text = np.random.default_rng(seed).normal(size=8).astype(np.float32)
    return MotionRequest(text, frames, seed)


MIXED = [request(frames, seed) for seed, frames in enumerate((40, 12, 56, 13, 40))]
PADDED = BatchPlan(3, 28)
SETTINGS = {
    "dpm++": FEW,
    "ddpm": dataclasses.replace(FEW, sampler="ddpm"),
    "2d": dataclasses.replace(FEW, mode="2d", sampler="ddim"),
    "mixture": dataclasses.replace(FEW, mode="mixture", sampler="ddpm", guidance=1.0),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_on_a_cpu_a_motion_is_bitwise_the_same_whatever_the_batch(tiny, name):
    together = generate(tiny, MIXED, SETTINGS[name])
    backwards = generate(tiny, MIXED[::-1], SETTINGS[name])[::-1]
    for wanted, one, other in zip(MIXED, together, backwards, strict=True):
        (alone,) = generate(tiny, [wanted], SETTINGS[name])
        assert np.array_equal(alone.features, one.features)
        assert np.array_equal(alone.features, other.features)
        assert len(one.features) == len(one.joints) == wanted.frames


@pytest.mark.parametrize("masks_padding", [True, False])
@pytest.mark.parametrize("name", ["dpm++", "mixture"])
def test_in_batches_of_several_lengths_it_is_the_same_but_for_rounding(name, masks_padding):
    checkpoint = tiny_checkpoint(masks_padding=masks_padding)
    together = generate(checkpoint, MIXED, SETTINGS[name], plan=PADDED)
    for wanted, one in zip(MIXED, together, strict=True):
        (alone,) = generate(checkpoint, [wanted], SETTINGS[name], plan=PADDED)
        np.testing.assert_allclose(alone.features, one.features, atol=1e-6)
        assert len(one.features) == len(one.joints) == wanted.frames


def test_a_network_trained_without_padding_masks_sees_zeros_up_to_its_longest_input(monkeypatch):
    checkpoint, seen = tiny_checkpoint(masks_padding=False), []
    path = checkpoint.network.path

    def watched(x, *arguments, pad=None):
        seen.append((tuple(x.shape), float(x[:, 30:].abs().max()), pad))
        return path(x, *arguments, pad=pad)

    monkeypatch.setattr(checkpoint.network, "path", watched)
    generate(checkpoint, [request(30)], FEW)
    assert seen == [((2, 56, 263), 0.0, None)] * FEW.steps


def test_what_is_padded_does_not_reach_the_frames_that_count(tiny):
    """A network that hides padding gives the same motion with and without it, but for rounding."""
    settings = dataclasses.replace(FEW, sampler="ddim")
    noise = torch.randn(56, 263)

    def drawn(plan: BatchPlan) -> np.ndarray:
        original = torch.randn
        try:  # the noise of a longer buffer is another; take the same for both
            torch.randn = lambda shape, **_: noise[: shape[0]]
            return generate(tiny, [request(12)], settings, plan=plan)[0].features
        finally:
            torch.randn = original

    np.testing.assert_allclose(drawn(BatchPlan(1, 1)), drawn(BatchPlan(2, 28)), atol=1e-5)


def test_seeds_and_copies_and_sentences_make_different_motions_and_the_list_does_not_matter():
    seeds = {noise_seed(s, t, c) for s in (1, 2) for t in (WALK, SIT) for c in range(3)}
    assert len(seeds) == 12
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert noise_seed(1, WALK, 0) == noise_seed(1, WALK, 0)
    assert [*occurrences((WALK, SIT, WALK), 2, 2)] == [2, 3]  # not the first two again
    assert [*occurrences((SIT, WALK), 1, 2)] == [0, 1]


def test_features_are_in_the_datas_units_and_joints_are_recovered_from_them(tiny):
    (motion,) = generate(tiny, [request(30)], FEW)
    assert motion.features.shape == (30, 263)
    np.testing.assert_array_equal(motion.joints, recover_joints(motion.features, HUMANML3D))
    shifted = dataclasses.replace(tiny.statistics, mean3=tiny.statistics.mean3 + 1)
    (moved,) = generate(dataclasses.replace(tiny, statistics=shifted), [request(30)], FEW)
    np.testing.assert_allclose(moved.features, motion.features + 1, atol=1e-5)


def test_kit_motions_come_in_metres_at_their_own_rate():
    kit = tiny_checkpoint(KIT)
    frames = frames_of(4.0, kit)
    assert frames == 50
    (motion,) = generate(kit, [request(frames)], FEW)
    in_units = recover_joints(motion.features, KIT)
    np.testing.assert_allclose(motion.joints, in_units * KIT.metres_per_unit, rtol=1e-5)
    (view,) = generate(kit, [request(frames)], dataclasses.replace(FEW, mode="2d"))
    assert view.features.shape == (50, 128)
    assert view.joints.shape == (50, 21, 2)


@pytest.mark.parametrize("seconds", [1.9, 2.81, 0.0, -1.0, float("nan"), float("inf")])
def test_a_length_outside_what_the_network_knows_is_refused_with_the_limits(tiny, seconds):
    with pytest.raises(ValueError, match=r"2 to 2\.8 seconds \(56 frames at 20 fps\), not"):
        frames_of(seconds, tiny)


def test_a_request_that_does_not_fit_is_refused(tiny):
    good = request(40)
    for bad, says in (
        (dataclasses.replace(good, frames=57), "1 to 56 frames, not 57"),
        (dataclasses.replace(good, text=np.zeros(384, np.float32)), "384 numbers.*expects 8"),
        (dataclasses.replace(good, start=np.zeros((40, 263), np.float32)), "start must be"),
    ):
        with pytest.raises(ValueError, match=says):
            generate(tiny, [good, bad], FEW)


# Chains


def parts(frames: int = 40, copies: int = 2) -> list[list[MotionRequest]]:
    return [[request(frames, 10 * p + c) for c in range(copies)] for p in range(3)]


@pytest.mark.parametrize("seam", ["blend", "continue"])
def test_a_chain_is_one_motion_whose_parts_take_over_in_the_middle_of_what_they_share(tiny, seam):
    first, second = chain(tiny, parts(), FEW, seam=seam, overlap=10)
    assert first.features.shape == (3 * 40, 263)
    assert first.starts == second.starts == (0, 35, 75)
    assert not np.array_equal(first.features, second.features)
    np.testing.assert_array_equal(first.joints, recover_joints(first.features, HUMANML3D))
    alone = chain(tiny, [part[1:] for part in parts()], FEW, seam=seam, overlap=10)[0]
    assert np.array_equal(alone.features, second.features)


def test_a_blended_seam_goes_from_one_part_to_the_other_and_changes_nothing_else():
    before, after = np.zeros((30, 4), np.float32), np.ones((20, 4), np.float32)
    joined = join(before, after, 10)
    assert joined.shape == (40, 4)
    assert (joined[:20] == 0).all()
    assert (joined[30:] == 1).all()
    assert np.diff(joined[:, 0]).max() < 0.11
    assert (np.diff(joined[19:31, 0]) > 0).all()


def test_a_blended_seam_is_no_rougher_than_the_parts_and_a_hard_cut_is():
    """Real motion: two walks that do not fit, joined in feature space."""
    from pipeline.canonical import canonicalise
    from pipeline.representation3d import features_from_canonical

    rows = [
        features_from_canonical(canonicalise(random_motion(s, 81, turns=0.3), HUMANML3D), HUMANML3D)
        for s in (1, 2)
    ]
    rows[1][:, 3] += rows[0][-1, 3] - rows[1][0, 3]  # floors of the random bodies differ
    ways = {
        "cut": np.concatenate([rows[0], rows[1][20:]]),
        "blend": join(rows[0], rows[1], 20),
    }
    seam = {"cut": 80, "blend": 70}
    rough = {}
    for way, joined in ways.items():
        size = jerk(recover_joints(joined, HUMANML3D), 20.0)
        rough[way] = size[seam[way] - 12 : seam[way] + 10].max() / np.median(size)
    assert rough["blend"] < rough["cut"] / 3


def test_a_continued_part_is_drawn_with_the_end_of_the_part_before(tiny):
    """A network that held the start fully would repeat it; here the weight fades."""
    end = np.full((10, 263), 0.05, np.float32)
    (free,) = generate(tiny, [request(40)], FEW)
    (given,) = generate(tiny, [dataclasses.replace(request(40), start=end)], FEW)
    away = [np.abs(m.features[:10] - end).mean(axis=1) for m in (given, free)]
    assert away[0][0] < 0.2 * away[1][0]
    keep = fade(10)
    assert keep[0] > 0.9
    assert keep[-1] < 0.1
    assert (np.diff(keep) < 0).all()


def test_chains_are_refused_in_2d_and_where_a_part_is_all_seam(tiny):
    with pytest.raises(ValueError, match="3D only: use mode 3d or mixture"):
        chain(tiny, parts(), dataclasses.replace(FEW, mode="2d"))
    with pytest.raises(ValueError, match="longer than 40 frames"):
        chain(tiny, parts(40), FEW, overlap=40)
    assert overlap_frames(tiny) == 20
    assert overlap_frames(tiny, 60.0) == 28


# Files


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
    from models.text_encoder import MiniLM

    loaded = load_checkpoint(folder)
    wanted = MotionRequest(MiniLM().encode([WALK])[0], 40, noise_seed(1, WALK, 0))
    (motion,) = generate(loaded, [wanted], SampleSettings(steps=2))
    held = arrays(tmp_path / data["motions"][0]["npz"])
    np.testing.assert_array_equal(held["features"], motion.features)
    assert data["checkpoint_id"] == loaded.checkpoint_id
