"""The pointer to the checkpoint to use: followed everywhere, moved by one, never half."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tiny_generator import tiny_checkpoint

from models.checkpoint import load_checkpoint, save_checkpoint
from models.checkpoint_id import CheckpointError, checkpoint_id
from models.promotion import (
    SupersededError,
    promote,
    read_promotion,
    refusal,
    resolve_checkpoint,
)

ROOT = Path(__file__).parent.parent


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with three checkpoints: a, b and c."""
    loaded = tiny_checkpoint()
    for number, name in enumerate("abc"):
        loaded.network.embed_text.bias.data += number
        save_checkpoint(
            tmp_path / name, loaded.network, loaded.statistics, loaded.skeleton,
            masks_padding=True, about={},
        )  # fmt: skip
    return tmp_path


def test_a_folder_of_models_stands_for_what_was_promoted(models):
    assert read_promotion(models) is None
    assert resolve_checkpoint(models / "a") == models / "a"
    told = promote(models, models / "b", checkpoint_id(models / "a"), {"by": "gate"})
    assert told["checkpoint"] == "b" and told["by"] == "gate"
    assert resolve_checkpoint(models) == models / "b"
    assert checkpoint_id(models) == checkpoint_id(models / "b") == told["checkpoint_id"]
    assert load_checkpoint(models).checkpoint_id == checkpoint_id(models / "b")


def test_the_folder_may_be_moved_and_a_checkpoint_outside_keeps_its_place(models, tmp_path):
    inner = models / "inner"
    inner.mkdir()
    promote(models, models / "b", "", {})
    promote(inner, models / "c", "", {})
    moved = models.parent / f"{models.name}-moved"
    shutil.copytree(models, moved)
    assert resolve_checkpoint(moved) == moved / "b"
    assert resolve_checkpoint(moved / "inner") == models / "c"


def test_only_the_first_of_two_that_were_measured_against_one_parent_is_taken(models):
    parent = checkpoint_id(models / "a")
    promote(models, models / "b", parent, {})
    before = (models / "promoted.json").read_bytes()
    with pytest.raises(SupersededError, match=r"has promoted b-.*parent is a-.*--checkpoint"):
        promote(models, models / "c", parent, {})
    assert (models / "promoted.json").read_bytes() == before
    promote(models, models / "b", parent, {})  # again: nothing changes, not even the time
    assert (models / "promoted.json").read_bytes() == before
    promote(models, models / "c", checkpoint_id(models / "b"), {"run": "r"})
    told = read_promotion(models)
    assert [past["checkpoint"] for past in told["history"]] == ["b"]
    assert refusal(models, "other", checkpoint_id(models / "b"))
    assert not refusal(models, checkpoint_id(models / "c"), "anything")


def test_of_many_at_once_one_wins(models):
    parent, taken = checkpoint_id(models / "a"), []
    promote(models, models / "a", "", {})

    def attempt(name: str) -> None:
        try:
            promote(models, models / name, parent, {})
            taken.append(name)
        except SupersededError:
            pass

    threads = [threading.Thread(target=attempt, args=(name,)) for name in "bc" * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 1 and resolve_checkpoint(models).name == taken[0]
    assert len(read_promotion(models)["history"]) == 1


DYING = """
import os, signal, sys
from pathlib import Path
import models.promotion as promotion
models = Path(sys.argv[1])
whole = promotion.write_whole
def die(path, content):
    path.with_name(".promoted.json-x.partial").write_bytes(content[:20])
    if sys.argv[2] == "after":
        whole(path, content)
    os.kill(os.getpid(), signal.SIGKILL)
promotion.write_whole = die
promotion.promote(models, models / "c", promotion.checkpoint_id(models / "b"), {})
"""


@pytest.mark.parametrize(("moment", "stands"), [("before", "b"), ("after", "c")])
def test_killed_while_promoting_the_pointer_is_the_old_or_the_new_one(models, moment, stands):
    promote(models, models / "b", "", {})
    done = subprocess.run(
        [sys.executable, "-c", DYING, str(models), moment], cwd=ROOT, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    assert resolve_checkpoint(models) == models / stands
    promote(models, models / "c", checkpoint_id(models / "b"), {})  # the lock died with its holder
    assert resolve_checkpoint(models) == models / "c"
    assert len(read_promotion(models)["history"]) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "names no checkpoint"),
        (json.dumps({"checkpoint": "../b", "checkpoint_id": "b-1"}), "leaves the folder"),
        (json.dumps({"checkpoint": "b\0", "checkpoint_id": "b-1"}), "cannot be followed"),
        (json.dumps({"checkpoint": "gone", "checkpoint_id": "gone-1"}), "is not a checkpoint"),
        (json.dumps({"checkpoint": "b", "checkpoint_id": "b-000000000000"}), "is not what was"),
    ],
)
def test_a_pointer_that_cannot_be_followed_is_told_in_a_sentence(models, content, said):
    (models / "promoted.json").write_text(content)
    for use in (resolve_checkpoint, checkpoint_id, load_checkpoint):
        with pytest.raises(CheckpointError, match=said):
            use(models)


def test_a_file_is_no_checkpoint_folder(models):
    with pytest.raises(CheckpointError, match="is not a checkpoint folder"):
        checkpoint_id(models / "a" / "config.json")


def test_a_folder_whose_networks_all_failed_is_told_as_such(models):
    (models / "first").mkdir()
    (models / "a").rename(models / "first" / "best")
    with pytest.raises(CheckpointError, match="none of them is promoted: give one by its folder"):
        checkpoint_id(models)


def test_a_checkpoint_is_no_folder_of_models(models):
    with pytest.raises(CheckpointError, match="choose another --models"):
        promote(models / "a", models / "b", "", {})
    with pytest.raises(CheckpointError, match="is not a checkpoint folder"):
        promote(models, models / "nothing", "", {})
    assert not (models / "promoted.json").exists()
