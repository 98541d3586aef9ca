"""Published weights: in through the command line, out again, and refused where they do not fit."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from synthetic_motion import random_motions
from training_victim import TINY_NETWORK

from flows.cli import main
from models.checkpoint import SHIPPED, load_checkpoint, save_checkpoint
from models.data.motion_files import write_motions
from models.data.training_data import training_statistics
from models.network import CrossDiff, NetworkConfig, sinusoidal_table
from models.official_checkpoint import export_state, import_network, infer_config
from models.statistics_files import (
    NPY_NAMES,
    StatisticsError,
    checked_statistics,
    combine_statistics,
    read_place,
    write_npy,
)
from models.weight_files import WeightFileError
from pipeline.skeletons import HUMANML3D, KIT


def run(capsys, *arguments) -> tuple[int, dict]:
    """Exit status and JSON of a command."""
    status = main([*map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def reference(shared):
    return load_file(shared / "reference" / "crossdiff_tiny_weights.safetensors")


@pytest.fixture
def published(reference, tmp_path):
    """A file as the published code writes it: a flat state dict with its sinusoid tables."""
    table = sinusoidal_table(5000, 32)[:, None]
    names = ("sequence_pos_encoder.pe", "embed_timestep.sequence_pos_encoder.pe")
    torch.save({**reference, **dict.fromkeys(names, table)}, tmp_path / "pretrain.pt")
    return tmp_path / "pretrain.pt"


@pytest.fixture
def humanml3d(shared, tmp_path):
    """HumanML3D's folder: its own 3D statistics, and nothing on 2D."""
    with np.load(shared / "reference" / "motion_012314.npz") as arrays:
        (tmp_path / "HumanML3D").mkdir()
        np.save(tmp_path / "HumanML3D" / "Mean.npy", arrays["mean3d"])
        np.save(tmp_path / "HumanML3D" / "Std.npy", arrays["std3d"])
    return tmp_path / "HumanML3D"


@pytest.mark.shared
@torch.inference_mode()
def test_an_imported_network_computes_what_the_published_one_does(
    published, humanml3d, shared, tmp_path, capsys
):
    out = tmp_path / "imported"
    status, told = run(
        capsys, "checkpoint", "import", published, "--out", out, "--stats", humanml3d, SHIPPED
    )
    assert status == 0
    assert told["statistics"] == {"3D": "HumanML3D", "2D": SHIPPED.name}
    assert told["left_out"] == ["the fixed sinusoid table"]
    checkpoint = load_checkpoint(out)
    assert told["checkpoint_id"] == checkpoint.checkpoint_id
    assert not checkpoint.masks_padding
    assert checkpoint.text_encoder == "clip-text"
    np.testing.assert_array_equal(checkpoint.statistics.mean3, np.load(humanml3d / "Mean.npy"))
    with np.load(shared / "reference" / "crossdiff_tiny_io.npz") as arrays:
        known = {name: torch.from_numpy(arrays[name]) for name in arrays}
    paths = checkpoint.network(known["x3d"], known["x2d"], known["t"], known["text"])
    for path, ours in paths.items():
        wanted = known[f"out_{path.replace('->', '_to_')}"]
        torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=0, msg=path)


@pytest.mark.shared
def test_out_and_in_again_changes_no_bit(published, humanml3d, reference, tmp_path, capsys):
    stats = ("--stats", humanml3d, SHIPPED)
    run(capsys, "checkpoint", "import", published, "--out", tmp_path / "a", *stats)
    status, told = run(
        capsys, "checkpoint", "export", tmp_path / "a", "--out", tmp_path / "back.pt",
        "--stats-out", tmp_path / "npy",
    )  # fmt: skip
    assert status == 0
    assert len(told["statistics"]) == 4
    back = torch.load(tmp_path / "back.pt", weights_only=True)
    was = torch.load(published, weights_only=True)
    assert set(back) == set(was)
    for name, value in was.items():
        assert torch.equal(back[name], value), name
        assert back[name].dtype == value.dtype
    status, again = run(
        capsys, "checkpoint", "import", tmp_path / "back.pt", "--out", tmp_path / "b",
        "--stats", tmp_path / "npy",
    )  # fmt: skip
    assert status == 0
    first, second = load_checkpoint(tmp_path / "a"), load_checkpoint(tmp_path / "b")
    assert first.checkpoint_id.split("-")[-1] == again["checkpoint_id"].split("-")[-1]
    assert second.network.config == first.network.config


@pytest.mark.shared
def test_every_size_is_read_off_the_full_size_files_shapes(shared):
    """Key by key and shape by shape, at full size: nothing over, nothing missing."""
    manifest = json.loads((shared / "reference/official_state_dict_manifest.json").read_text())
    with torch.device("meta"):
        full = {name: torch.empty(shape) for name, shape in manifest.items()}
        ours = {name: tuple(v.shape) for name, v in CrossDiff(NetworkConfig()).state_dict().items()}
    assert infer_config(full, 4, shared) == NetworkConfig()
    assert {n: tuple(s) for n, s in manifest.items() if not n.endswith(".pe")} == ours
    exported = {name: list(v.shape) for name, v in export_state(tiny_network()).items()}
    assert [n for n in manifest if n.endswith(".pe")] == [n for n in exported if n.endswith(".pe")]


def tiny_network(**changes) -> CrossDiff:
    torch.manual_seed(0)
    sizes = {**TINY_NETWORK.to_json(), **changes}
    return CrossDiff(NetworkConfig(**sizes)).eval()


@pytest.fixture(scope="module")
def statistics():
    return training_statistics(random_motions([40, 60]))


@pytest.fixture
def file(tmp_path):
    torch.save(export_state(tiny_network()), tmp_path / "tiny.pt")
    return tmp_path / "tiny.pt"


@pytest.mark.parametrize(
    ("wrap", "left_out"),
    [
        (lambda s: s, ()),
        (lambda s: {"state_dict": s}, ()),
        (lambda s: {"model": s, "epoch": 3, "opt": {}}, ("beside 'model': epoch, opt",)),
        (lambda s: {f"module.{n}": v for n, v in s.items()}, ()),
        (lambda s: {"model": {f"_orig_mod.module.{n}": v for n, v in s.items()}}, ()),
        (lambda s: {**s, "clip_model.ln.bias": torch.zeros(2)}, ("1 tensors of its text encoder",)),
        (lambda s: {**s, "epoch": 7}, ("no tensors: epoch",)),
        (lambda s: {n: v for n, v in s.items() if not n.endswith(".pe")}, None),
        (lambda s: {n: v.half() for n, v in s.items()}, ()),
    ],
)
def test_files_may_be_wrapped_and_hold_more_and_it_is_said_what_was_left_out(file, wrap, left_out):
    state = export_state(tiny_network())
    torch.save(wrap(state), file)
    imported = import_network(file, TINY_NETWORK.heads)
    table = ("the fixed sinusoid table",)
    assert sorted(imported.left_out) == sorted((*left_out, *table) if left_out is not None else ())
    assert imported.network.config == TINY_NETWORK
    atol = 1e-3  # half precision
    torch.testing.assert_close(
        imported.network.state_dict(), tiny_network().state_dict(), atol=atol, rtol=1e-3
    )


def refused(file, heads=TINY_NETWORK.heads) -> str:
    with pytest.raises(WeightFileError) as error:
        import_network(file, heads)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert str(file) in message
    return message


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.pop("bridge.1.norm1.bias"), "1 missing: bridge.1.norm1.bias"),
        (
            lambda s: [s.pop(n) for n in list(s) if n.startswith("decoder_j.1.")],
            "18 missing: decoder_j.1.self_attn.in_proj_weight, decoder_j.1.self_attn.in_proj_bias, "
            "decoder_j.1.self_attn.out_proj.weight and 15 more",
        ),
        (lambda s: s.update(extra=torch.zeros(1)), "1 unknown: extra"),
        (
            lambda s: s.update({"embed_text.bias": torch.zeros(5)}),
            "1 of another shape: embed_text.bias (5,) instead of (16,)",
        ),
        (lambda s: s.pop("motion_token"), "is not a CrossDiff: it holds joint_token, "),
        (lambda s: s.update(motion_token=torch.zeros(3)), "has too few axes"),
        (lambda s: s["embed_text.bias"].fill_(np.inf), "embed_text.bias hold values that are not"),
        (
            lambda s: s.update({"sequence_pos_encoder.pe": torch.zeros(5000, 1, 16)}),
            "sequence_pos_encoder.pe is not the sinusoid table",
        ),
        (
            lambda s: s.update({"sequence_pos_encoder.pe": torch.zeros(3)}),
            "sequence_pos_encoder.pe is not the sinusoid table",
        ),
    ],
)
def test_names_and_shapes_that_do_not_fit_are_named(file, change, sentence):
    state = {n: v.clone() for n, v in export_state(tiny_network()).items()}
    change(state)
    torch.save(state, file)
    assert sentence in refused(file)


def test_a_number_of_heads_that_cannot_be_is_refused(file):
    assert "width 16 must be even and divide by heads 3" in refused(file, heads=3)


def test_damaged_and_other_files_are_refused(file, tmp_path):
    content = file.read_bytes()
    for keep in (0.0, 0.5, 0.99):
        file.write_bytes(content[: int(keep * len(content))])
        assert "damaged or not a weight file" in refused(file)
    file.unlink()
    assert "is not a file" in refused(file)
    torch.save({"a": {"b": torch.zeros(1)}}, file)
    assert "holds no network's tensors" in refused(file)


def test_a_pickle_is_not_executed(file, tmp_path):
    marker = tmp_path / "executed"

    class Payload:
        def __reduce__(self):
            return (marker.touch, ())

    torch.save({**export_state(tiny_network()), "x": Payload()}, file)
    assert "can run code when they are opened; save its state dict alone" in refused(file)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "no statistics of the 3D and 2D features: give --stats"),
        (("--stats", "{tmp}/half"), "no statistics of the 2D features: give --stats"),
        (("--stats", "{tmp}/nowhere"), "there is no store at {tmp}/nowhere"),
        (("--stats", "{tmp}/nowhere.safetensors"), "no such file or folder"),
        (("--heads", "3"), "divide by heads 3"),
        (("--stats", "{tmp}/npy", "--text-encoder", "minilm"), "gives 384 numbers a sentence"),
        (("--stats", "{tmp}/npy", "--out", "{tmp}/taken"), "already holds a checkpoint; choose"),
    ],
)
def test_a_wrong_import_is_one_sentence_and_writes_nothing(
    file, statistics, tmp_path, capsys, arguments, sentence
):
    write_npy(statistics, tmp_path / "npy")
    write_npy(statistics, tmp_path / "half")
    for name in ("mean2", "std2"):
        (tmp_path / "half" / NPY_NAMES[name]).unlink()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "config.json").write_text("mine")
    given = [a.format(tmp=tmp_path) for a in arguments]
    base = ["--heads", TINY_NETWORK.heads] if "--heads" not in given else []
    base += ["--out", tmp_path / "out"] if "--out" not in given else []
    status, told = run(capsys, "checkpoint", "import", file, *base, *given)
    assert status == 2
    assert sentence.format(tmp=tmp_path) in told["error"]
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "taken" / "config.json").read_text() == "mine"


def test_a_wrong_export_is_one_sentence_and_loses_nothing(statistics, tmp_path, capsys):
    save(tiny_network(), statistics, tmp_path / "run")
    (tmp_path / "there.pt").write_text("mine")
    status, told = run(
        capsys, "checkpoint", "export", tmp_path / "run", "--out", tmp_path / "there.pt"
    )
    assert (status, (tmp_path / "there.pt").read_text()) == (2, "mine")
    assert "is there already; choose another --out" in told["error"]
    status, told = run(capsys, "checkpoint", "export", tmp_path, "--out", tmp_path / "x.pt")
    assert status == 2
    assert "not a checkpoint folder" in told["error"]
    save(tiny_network(shared=False), statistics, tmp_path / "apart")
    status, told = run(
        capsys, "checkpoint", "export", tmp_path / "apart", "--out", tmp_path / "x.pt"
    )
    assert status == 2
    assert "without the shared encoder has no published layout" in told["error"]
    assert not (tmp_path / "x.pt").exists()


def save(network, statistics, folder) -> None:
    save_checkpoint(folder, network, statistics, HUMANML3D, masks_padding=False, about={})


def test_features_of_no_known_skeleton_are_refused(file, statistics, tmp_path, capsys):
    torch.save(export_state(tiny_network(dim3=200)), file)
    write_npy(statistics, tmp_path / "npy")
    status, told = run(
        capsys, "checkpoint", "import", file, "--out", tmp_path / "out", "--heads", 2,
        "--stats", tmp_path / "npy",
    )  # fmt: skip
    assert status == 2
    assert "takes 200 numbers a frame in 3D and 134 in 2D; known are 263/134" in told["error"]


def changed(statistics, **edits):
    arrays = {name: values.copy() for name, values in statistics.arrays().items()}
    for name, edit in edits.items():
        arrays[name] = edit(arrays[name]).astype(np.float32)
    return arrays


def test_statistics_of_data_prepared_here_and_of_the_shipped_weights_are_accepted(statistics):
    checked_statistics(statistics.arrays(), HUMANML3D)
    checked_statistics(load_checkpoint(SHIPPED).statistics.arrays(), HUMANML3D)


def evaluators(std):
    """Guo et al.'s evaluators divide the root's and the contacts' deviation by five."""
    return np.concatenate([std[:4] / 5, std[4:259], std[259:] / 5])


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        ({"std3": evaluators}, "an evaluator's statistics?"),
        ({"mean3": lambda m: m[::-1]}, "3D features: "),
        ({"mean3": lambda m: m * 1000}, "mean of a rotation entry is not within"),
        ({"std3": lambda s: s + np.linspace(0, 1, 263)}, "one group differ in standard deviation"),
        ({"mean3": lambda m: m[:251], "std3": lambda s: s[:251]}, "have 251 numbers, humanml3d22"),
        ({"std2": lambda s: s * 0}, "standard deviation is not positive"),
        ({"mean2": lambda m: m * np.nan}, "not finite"),
    ],
)
def test_statistics_that_cannot_be_right_are_refused(statistics, edits, sentence):
    with pytest.raises(StatisticsError, match=sentence):
        checked_statistics(changed(statistics, **edits), HUMANML3D)


def test_swapped_and_foreign_statistics_are_refused(statistics):
    arrays = statistics.arrays()
    swapped = {**arrays, "mean3": arrays["std3"], "std3": np.abs(arrays["mean3"]) + 1e-3}
    with pytest.raises(StatisticsError, match="may be swapped"):
        checked_statistics(swapped, HUMANML3D)
    with pytest.raises(StatisticsError, match="kitml21 has 251"):
        checked_statistics(arrays, KIT)
    with pytest.raises(StatisticsError, match="foot contacts vary"):
        checked_statistics({**arrays, "std3": arrays["std3"] * 3}, HUMANML3D)


def test_statistics_come_from_training_data_too(file, statistics, tmp_path, capsys):
    write_motions(random_motions([40, 60]), tmp_path / "set" / "motions.parquet")
    base = ["--out", tmp_path / "out", "--heads", 2, "--stats", tmp_path / "set"]
    status, told = run(capsys, "checkpoint", "import", file, *base)
    assert (status, "takes 8 numbers a sentence, which is not CLIP's 512" in told["error"]) == (
        2,
        1,
    )
    torch.save(export_state(tiny_network(text_dim=512)), file)
    status, told = run(capsys, "checkpoint", "import", file, *base)
    assert status == 0, told
    got = load_checkpoint(tmp_path / "out").statistics
    for name, values in statistics.arrays().items():
        np.testing.assert_allclose(got.arrays()[name], values, atol=1e-6)


def test_the_first_place_that_has_statistics_counts(statistics, tmp_path):
    write_npy(statistics, tmp_path / "npy")
    ours = read_place(tmp_path / "npy")
    only3 = {"mean3": ours["mean3"] + 0, "std3": ours["std3"]}
    shipped = read_place(SHIPPED)
    combined, sources = combine_statistics([("a", only3), ("b", shipped), ("c", ours)], HUMANML3D)
    assert sources == {"3D": "a", "2D": "b"}
    np.testing.assert_array_equal(combined.mean3, ours["mean3"])
    np.testing.assert_array_equal(combined.mean2, shipped["mean2"])


def test_npy_files_that_hold_something_else_are_refused(statistics, tmp_path):
    write_npy(statistics, tmp_path)
    with pytest.raises(FileExistsError, match="is there already"):
        write_npy(statistics, tmp_path)
    mean = tmp_path / "Mean.npy"
    for content, sentence in (
        (np.zeros((2, 3)), "does not hold one row of numbers"),
        (np.array(["a"]), "does not hold one row of numbers"),
        (np.array([{}], dtype=object), "damaged or no .npy file"),
    ):
        np.save(mean, content, allow_pickle=True)
        with pytest.raises(StatisticsError, match=sentence):
            read_place(tmp_path)
    mean.write_bytes(b"noise")
    with pytest.raises(StatisticsError, match=r"damaged or no \.npy file"):
        read_place(tmp_path)
