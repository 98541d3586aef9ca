"""Checkpoint folders: what is saved comes back, and what is broken is refused with a sentence."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from synthetic_motion import random_motions
from training_victim import TINY_NETWORK

from models.checkpoint import (
    SHIPPED,
    SHIPPED_STAGE_2,
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from models.data.training_data import training_statistics
from models.network import CrossDiff
from models.train.train_config import PRESETS
from pipeline.skeletons import HUMANML3D


@pytest.fixture(scope="module")
def statistics():
    return training_statistics(random_motions([30, 40]))


@pytest.fixture
def folder(tmp_path, statistics):
    torch.manual_seed(0)
    path = tmp_path / "tiny"
    network = CrossDiff(TINY_NETWORK)
    save_checkpoint(path, network, statistics, HUMANML3D, masks_padding=True, about={"step": 7})
    return path


def test_what_is_saved_comes_back(folder, statistics):
    torch.manual_seed(0)
    saved = CrossDiff(TINY_NETWORK)
    loaded = load_checkpoint(folder)
    assert not loaded.network.training
    torch.testing.assert_close(loaded.network.state_dict(), saved.state_dict(), rtol=0, atol=0)
    for name, values in statistics.arrays().items():
        np.testing.assert_array_equal(loaded.statistics.arrays()[name], values)
    assert loaded.skeleton is HUMANML3D
    assert loaded.masks_padding
    assert loaded.about == {"step": 7}
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md", "config.json", "model.safetensors", "stats.safetensors",
    ]  # fmt: skip


def test_half_precision_on_disk_is_float32_in_memory(tmp_path, statistics):
    network = CrossDiff(TINY_NETWORK)
    options = {"masks_padding": False, "about": {}, "dtype": torch.bfloat16}
    save_checkpoint(tmp_path / "half", network, statistics, HUMANML3D, **options)
    loaded = load_checkpoint(tmp_path / "half").network
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.state_dict(), network.state_dict(), rtol=1e-2, atol=1e-2)


def test_the_id_names_the_folder_and_changes_with_weights_and_statistics(folder):
    first = load_checkpoint(folder).checkpoint_id
    assert first.startswith("tiny-")
    assert len(first) == len("tiny-") + 12
    assert load_checkpoint(folder).checkpoint_id == first
    for name in ("model.safetensors", "stats.safetensors"):
        arrays = load_file(folder / name)
        key = sorted(arrays)[0]
        arrays[key] = arrays[key] + np.float32(1e-3)
        save_file(arrays, folder / name)
        changed = load_checkpoint(folder).checkpoint_id
        assert changed != first
        first = changed


def test_saving_over_a_checkpoint_replaces_it(folder, statistics):
    before = load_checkpoint(folder).checkpoint_id
    torch.manual_seed(1)
    network = CrossDiff(TINY_NETWORK)
    save_checkpoint(folder, network, statistics, HUMANML3D, masks_padding=False, about={})
    after = load_checkpoint(folder)
    assert after.checkpoint_id != before
    assert not after.masks_padding


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "stats.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"not a checkpoint folder: {name} missing; give"):
        load_checkpoint(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="not a checkpoint folder"):
        load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "stats.safetensors"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.98])
def test_a_truncated_file_is_refused(folder, name, keep):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(keep * len(content))])
    refused(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "stats.safetensors"])
def test_a_file_of_noise_is_refused(folder, name):
    (folder / name).write_bytes(np.random.default_rng(0).bytes(4096))
    refused(folder)


def refused(folder) -> str:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder)
    message = str(error.value)
    assert message.startswith(f"checkpoint {folder}")
    assert len(message) > len(f"checkpoint {folder} cannot be loaded: ")
    assert len(message.splitlines()) == 1
    return message


def edit_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    for path, value in changes.items():
        *parents, last = path.split("__")
        part = config
        for parent in parents:
            part = part[parent]
        if value is None:
            del part[last]
        else:
            part[last] = value
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"network__width": 32}, "size mismatch for"),
        ({"network__shared_layers": 3}, "Missing key"),
        ({"network__heads": 0}, "must be positive: heads"),
        ({"network__heads": "two"}, "cannot be loaded"),
        ({"network__depth": 3}, "unexpected keyword argument 'depth'"),
        ({"network__dim3": 251}, "does not fit humanml3d22"),
        ({"network": None}, "'network' is missing from config.json"),
        ({"network": [1, 2]}, "cannot be loaded"),
        ({"skeleton": "octopus"}, "'octopus' is missing from config.json or not known"),
        ({"skeleton": "kitml21"}, "does not fit kitml21"),
        ({"format": 2}, "has format 2, this version reads 1"),
        ({"masks_padding": None}, "'masks_padding' is missing"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_and_says_why(folder, changes, sentence):
    if "network__dim3" in changes:  # the weights fit the config, the skeleton fits neither
        network = CrossDiff(TINY_NETWORK)
        state = {k: v.numpy() for k, v in network.state_dict().items()}
        for key in ("p_linear_m.weight", "p_linear2_m.weight", "p_linear2_m.bias"):
            axis = 1 if key == "p_linear_m.weight" else 0
            state[key] = np.ascontiguousarray(np.take(state[key], range(247), axis=axis))
        save_file(state, folder / "model.safetensors")
    edit_config(folder, **changes)
    assert sentence in refused(folder)


def test_a_config_that_is_not_an_object_is_refused(folder):
    (folder / "config.json").write_text("[1, 2, 3]")
    refused(folder)


@pytest.mark.parametrize(
    ("name", "key", "edit", "sentence"),
    [
        ("model.safetensors", "embed_text.bias", lambda a: a * np.nan, "embed_text.bias holds"),
        ("model.safetensors", "embed_text.bias", lambda a: a[:-1], "size mismatch for embed_text"),
        ("model.safetensors", "embed_text.bias", None, "Missing key"),
        ("stats.safetensors", "std3", lambda a: a * 0, "standard deviation is not positive"),
        ("stats.safetensors", "mean2", lambda a: a * np.inf, "not finite"),
        ("stats.safetensors", "mean2", lambda a: a[:-1], "mean and std differ in shape"),
        ("stats.safetensors", "mean2", None, "missing 1 required"),
    ],
)
def test_weights_or_statistics_that_do_not_fit_are_refused_and_say_why(
    folder, name, key, edit, sentence
):
    arrays = load_file(folder / name)
    value = arrays.pop(key)
    if edit is not None:
        with np.errstate(invalid="ignore"):
            arrays[key] = np.ascontiguousarray(edit(value))
    save_file(arrays, folder / name)
    assert sentence in refused(folder)


def test_statistics_of_another_skeleton_are_refused(folder):
    arrays = load_file(folder / "stats.safetensors")
    save_file({k: v[:128].copy() for k, v in arrays.items()}, folder / "stats.safetensors")
    assert "statistics do not fit humanml3d22" in refused(folder)


def test_a_pickle_under_a_weights_name_is_not_executed(folder, tmp_path):
    marker = tmp_path / "executed"

    class Payload:
        def __reduce__(self):
            return (marker.touch, ())

    torch.save({"x": Payload()}, folder / "model.safetensors")
    refused(folder)
    assert not marker.exists()


@pytest.mark.parametrize(("folder", "stage"), [(SHIPPED, 1), (SHIPPED_STAGE_2, 2)])
def test_shipped_weights_load_and_keep_their_promises(tmp_path, folder, stage):
    shipped = load_checkpoint(folder)
    assert shipped.skeleton is HUMANML3D
    assert sum(f.stat().st_size for f in folder.iterdir()) <= 20_000_000
    assert shipped.network.config == PRESETS["base"].network
    assert shipped.about["train"]["stage"] == stage
    assert shipped.text_encoder == "all-MiniLM-L6-v2"
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    assert load_checkpoint(copy).checkpoint_id == shipped.checkpoint_id
