"""A checkpoint's card: it tells what was recorded, and spares what people wrote."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from synthetic_motion import random_motions
from training_victim import TINY, TINY_NETWORK

import models.checkpoint as checkpoint_module
from models.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from models.checkpoint_card import MARK, configuration_hash
from models.data.training_data import training_statistics
from models.network import CrossDiff
from pipeline.skeletons import HUMANML3D

ABOUT = {
    "step": 1200,
    "text_encoder": "all-MiniLM-L6-v2",
    "train": TINY.to_json(),
    "validation": {"step": 1200, "pa_mpjpe_mm": 54.14146564612424, "loss 3d->3d": 0.25},
    "data": {
        "url": "store",
        "version": 3,
        "datasets": ["cmu", "hdm05", "dance"],
        "motions": {"train": 10, "val": 2},
        "recipes": {"cmu": {"deep": 1}},
    },
    "license": "apache-2.0",
    "code_commit": "abc123",
}


@pytest.fixture(scope="module")
def statistics():
    return training_statistics(random_motions([30, 40]))


@pytest.fixture
def save(tmp_path, statistics):
    def write(about, **options) -> Path:
        torch.manual_seed(0)
        folder = tmp_path / "tiny"
        network = options.pop("network", None) or CrossDiff(TINY_NETWORK)
        save_checkpoint(
            folder, network, statistics, HUMANML3D, masks_padding=True, about=about, **options
        )
        return folder

    return write


def card(folder: Path) -> tuple[dict, dict[str, str], str]:
    """Front matter, table cells by their first column, and the whole text."""
    text = (folder / "README.md").read_text()
    _, head, body = text.split("---\n", 2)
    rows = [line.strip("| ").split(" | ", 1) for line in body.splitlines() if line.startswith("| ")]
    cells = {row[0].replace("\\", ""): row[1].replace("\\", "") for row in rows if len(row) == 2}
    return yaml.safe_load(head), cells, text


def test_the_card_tells_what_was_recorded(save):
    head, cells, text = card(save(ABOUT))
    assert head["model_name"] == "tiny"
    assert head["license"] == "apache-2.0"
    assert head["datasets"] == ["cmu", "hdm05", "dance"]
    assert cells["steps"] == "1200"
    assert cells["data sets"] == "cmu, hdm05, dance"
    assert "hdm05: HDM05, CC BY-SA 3.0" in cells["licences"]
    assert "dance" not in cells["licences"]  # nobody knows it
    assert cells["motions"] == "train: 10; val: 2"
    assert (cells["read from"], cells["version"]) == ("store", "3")
    assert cells["text encoder"] == "all-MiniLM-L6-v2"
    assert cells["configuration"] == TINY.config_hash == configuration_hash(TINY.to_json())
    assert "width 16" in cells["network"]
    assert cells["code_commit"] == "abc123"
    assert cells["pa_mpjpe_mm"] == "54.14"
    assert cells["learning_rate"] == "0.003"
    assert "lifting 2D" in text
    parameters = sum(p.numel() for p in CrossDiff(TINY_NETWORK).parameters())
    assert f"{parameters / 1e6:.2f} M parameters" in text


@pytest.mark.parametrize(
    ("train", "words"),
    [({"stage": 2}, "the shared layers"), ({"stage": 1, "only_3d": True}, "never trained")],
)
def test_the_card_says_what_a_stage_was_for(save, train, words):
    assert words in card(save({"train": train}))[2]


def test_a_card_of_nothing_known_is_still_a_card(save):
    head, cells, _ = card(save({}))
    assert "license" not in head
    assert "datasets" not in head
    assert set(cells) == {"network"}


def test_text_from_outside_cannot_break_the_card(save):
    nasty = 'x\n---\n# Owned | y <script>alert(1)</script> "q": [a](http://b)'
    folder = save({**ABOUT, "license": nasty, "text_encoder": nasty, "data": {"datasets": [nasty]}})
    head, _, text = card(folder)
    assert head["license"] == nasty
    assert head["datasets"] == [nasty]
    body = text.split("---\n", 2)[2]
    assert "\n# Owned" not in body
    assert "<script>" not in body
    assert "[a](http" not in body


def test_a_card_that_a_person_wrote_stays_until_the_caller_says_otherwise(save):
    folder = save(ABOUT)
    save({**ABOUT, "step": 1300})
    assert card(folder)[1]["steps"] == "1300"  # our own is kept up to date
    edited = (folder / "README.md").read_text().replace(MARK, "My words.")
    (folder / "README.md").write_text(edited)
    save({**ABOUT, "step": 1400})
    assert (folder / "README.md").read_text() == edited
    assert load_checkpoint(folder).about["step"] == 1400
    save({**ABOUT, "step": 1500}, replace_card=True)
    assert card(folder)[1]["steps"] == "1500"


def test_the_card_is_no_part_of_the_checkpoints_name(save):
    folder = save(ABOUT)
    name = load_checkpoint(folder).checkpoint_id
    (folder / "README.md").write_text("other words")
    assert load_checkpoint(folder).checkpoint_id == name
    (folder / "README.md").unlink()
    assert load_checkpoint(folder).checkpoint_id == name


def test_facts_that_json_cannot_hold_do_not_cost_the_weights(save):
    about = {"path": Path("a"), "loss": float("nan"), "sizes": (1, 2), 3: np.float32(0.5)}
    folder = save(about)
    text = (folder / "config.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert load_checkpoint(folder).about["loss"] is None
    assert load_checkpoint(folder).about["path"] == "a"
    assert load_checkpoint(folder).about["sizes"] == [1, 2]


def test_others_may_read_what_was_saved(save):
    folder = save(ABOUT)
    (folder / "plain").touch()
    wanted = (folder / "plain").stat().st_mode
    assert {file.stat().st_mode for file in folder.iterdir()} == {wanted}


def test_weights_that_are_not_finite_are_not_saved_over_good_ones(save):
    folder = save(ABOUT)
    before = load_checkpoint(folder).checkpoint_id
    broken = CrossDiff(TINY_NETWORK)
    with torch.no_grad():
        broken.embed_text.bias[0] = torch.nan
    with pytest.raises(CheckpointError, match=r"embed_text\.bias holds values that are not finite"):
        save(ABOUT, network=broken)
    assert load_checkpoint(folder).checkpoint_id == before
    large = CrossDiff(TINY_NETWORK)
    with torch.no_grad():
        large.embed_text.bias[0] = 1e6
    with pytest.raises(CheckpointError, match="not finite"):
        save(ABOUT, network=large, dtype=torch.float16)  # its largest number is 65,504
    save(ABOUT, network=large, dtype=torch.bfloat16)
    assert load_checkpoint(folder).network.embed_text.bias[0].item() == pytest.approx(1e6, 1e-2)


def test_a_save_that_dies_before_its_end_leaves_no_checkpoint(save, tmp_path, monkeypatch):
    def die(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint_module, "write_card", die)
    with pytest.raises(KeyboardInterrupt):
        save(ABOUT)
    with pytest.raises(CheckpointError, match=r"config\.json missing"):
        load_checkpoint(tmp_path / "tiny")


@pytest.mark.parametrize("about", ["text", [["a", 1]], 3])
def test_an_about_that_is_no_object_is_refused(save, about):
    folder = save({})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "about": about}))
    with pytest.raises(CheckpointError, match=r"`about` in config\.json is no JSON object"):
        load_checkpoint(folder)


@pytest.mark.parametrize(("known", "told"), [("clip-text", "clip-text"), (7, None), ("", None)])
def test_the_text_encoder_is_read_safely(save, known, told):
    assert load_checkpoint(save({"text_encoder": known})).text_encoder == told
