"""The whole chain on a real Prefect server and worker: a video is dropped, a network judged."""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import storage_shards
from deployed import Deployed, deployed, seeded_home
from synthetic_motion import random_motions
from training_runs import changed
from training_victim import TINY_NETWORK

from flows.events import CHECKPOINT_PROMOTED, CHECKPOINT_REJECTED, FINETUNE_FINISHED
from flows.events import SNAPSHOT_COMMITTED as COMMITTED
from flows.prepare import store_motions
from models.checkpoint import save_checkpoint
from models.checkpoint_id import checkpoint_id, read_promotion
from models.data.motion import Motion
from models.data.training_data import training_statistics
from models.network import CrossDiff
from models.text.text_encoder import MINILM_WIDTH, PACKAGED, load_text_encoder
from pipeline.skeletons import HUMANML3D
from storage.catalog import count_rows
from storage.runs import RunRow, read_runs
from storage.store import open_store

DATASET = "wild"
STEPS = 100
"""Seconds of training: time enough to cancel it."""
FIRST = ("Cartwheel", "SitDown")
LATER = "JumpingJack"
INGEST, FINETUNE, EVALUATE = (
    "scheduled-ingest", "finetune-when-due", "evaluate-finetuned",
)  # fmt: skip


def drop(samples: Path, folder: Path, action: str, group: int) -> None:
    """A sample clip as another recording of one class: the gate wants one to hold out."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = samples / action / f"v_{action}_g01_c01.avi"
    shutil.copy2(clip, folder / f"v_Jump_g{group:02d}_c01.avi")


def captioned() -> list[Motion]:
    """Motion capture: six motions, two of them for validation."""
    return [
        dataclasses.replace(
            motion,
            motion_id=f"m{i}",
            split="val" if i > 3 else "train",
            captions=("a person walks",),
            embeddings=motion.embeddings[:0, :0],
        )
        for i, motion in enumerate(random_motions([45, 60, 50, 45, 48, 52]))
    ]


def prepare(folder: Path, samples: Path) -> None:
    """A parent, motion capture, and two videos in the watched folder."""
    motions = captioned()
    encoder = load_text_encoder(PACKAGED)
    store_motions(
        motions, str(folder / "mocap"), "mocap", encoder=encoder, skeleton=HUMANML3D, config={}
    )
    network = dataclasses.replace(TINY_NETWORK, text_dim=MINILM_WIDTH, max_frames=64)
    config = changed(network=network, steps=4)
    about = {"train": config.to_json(), "text_encoder": encoder.encoder_id}
    save_checkpoint(
        folder / "parent", CrossDiff(network), training_statistics(motions), HUMANML3D,
        masks_padding=True, about=about,
    )  # fmt: skip
    for number, action in enumerate(FIRST, 1):
        drop(samples, folder / "incoming" / "Jump", action, number)


@pytest.fixture(scope="module")
def chain(
    tmp_path_factory: pytest.TempPathFactory, prefect_home: Path, samples: Path
) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("chain")
    prepare(folder, samples)
    parameters = {
        "ingest": {"settle": 0},
        "finetune": {
            "min_new_motions": {DATASET: 2},
            "checkpoint": "parent",
            "steps": STEPS,
            "holdout": 0.5,
        },
    }
    home = seeded_home(tmp_path_factory.mktemp("home") / "prefect", prefect_home)
    with deployed(home, folder, parameters) as here:
        yield here


@dataclass(frozen=True)
class Story:
    """What happened, in order; each flow run as the server tells it."""

    here: Deployed
    run: Path
    """Folder of the finetuning."""
    cancelled: dict[str, Any]
    """The finetuning that the first ingest started, cancelled while it trained."""
    begun: str
    """Id of the run that this left behind."""
    rows_then: int
    """Rows of `runs` after that."""
    finetuned: dict[str, Any]
    """The finetuning that an ingest with nothing new started."""
    evaluated: dict[str, Any]


@pytest.fixture(scope="module")
def story(chain: Deployed) -> Story:
    """Two videos are dropped; the finetuning is cancelled; the next scheduled ingest resumes it."""
    done = chain.await_run(chain.start(f"{INGEST}/ingest"))
    assert done["state_type"] == "COMPLETED", chain.logs()
    runs = chain.folder / "trained" / "runs"
    chain.wait("a training begins", lambda: f"step 1/{STEPS} " in chain.worker_log(), 240)
    (first,) = chain.runs(FINETUNE)
    chain.cancel(first["id"])
    cancelled = chain.await_run(first["id"])
    (run,) = runs.iterdir()
    begun = json.loads((run / "finetune.json").read_text())["run_id"]
    rows_then = len(runs_of(chain))

    done = chain.await_run(chain.start(f"{INGEST}/ingest"))
    assert done["state_type"] == "COMPLETED", chain.logs()
    (evaluated,) = chain.await_runs(EVALUATE, 1, 240)
    finetuned = chain.await_runs(FINETUNE, 2)[-1]
    return Story(chain, run, cancelled, begun, rows_then, finetuned, evaluated)


def runs_of(chain: Deployed) -> list[RunRow]:
    return read_runs(open_store(str(chain.folder / "store")), dataset=DATASET)


def test_a_dropped_video_becomes_a_judged_network(story: Story) -> None:
    here, run = story.here, story.run
    for each in (story.finetuned, story.evaluated):
        assert each["state_name"] == "Completed", (each["state"], here.logs())
    verdict = json.loads((run / "gate.json").read_text())
    promoted = read_promotion(here.folder / "trained")
    told = {name: here.events(name) for name in (CHECKPOINT_PROMOTED, CHECKPOINT_REJECTED)}
    expected = CHECKPOINT_PROMOTED if verdict["verdict"] == "promoted" else CHECKPOINT_REJECTED
    assert {name: len(each) for name, each in told.items() if each} == {expected: 1}
    assert verdict["reasons"] == told[expected][0]["payload"]["reasons"]
    assert (promoted is not None) == (expected == CHECKPOINT_PROMOTED)
    assert promoted is None or promoted["checkpoint_id"] == checkpoint_id(run / "best")
    assert Path(verdict["report"]).is_file()


def test_events_carry_the_data_set_its_version_and_the_run(story: Story) -> None:
    store = str(story.here.folder / "store")
    # The server's database may hold what other tests' ingests told theirs.
    told = [event["payload"] for event in story.here.events(COMMITTED)]
    committed = [payload for payload in told if payload["store"] == store]
    version = committed[0]["version"]
    expected = {"dataset": DATASET, "store": store, "version": version, "pending": 2}
    # The second ingest found nothing new, but nothing had been finetuned on what was there.
    assert committed == [{**expected, "rows": 2}, {**expected, "rows": 0}]
    assert story.run == story.here.folder / "trained" / "runs" / f"{DATASET}-v{version}"
    for run in (story.cancelled, story.finetuned):
        given = {name: run["parameters"][name] for name in ("dataset", "store", "version")}
        assert given == {"dataset": DATASET, "store": store, "version": version}
    (finished,) = story.here.events(FINETUNE_FINISHED)
    assert finished["payload"] == {"run": str(story.run), "dataset": DATASET}
    assert story.evaluated["parameters"] == {"run": str(story.run)}


def test_a_cancelled_finetuning_is_told_as_such_and_goes_on_as_the_same_run(story: Story) -> None:
    assert story.cancelled["state_type"] == "CANCELLED", story.here.logs()
    assert story.rows_then == 0
    assert "Traceback" not in story.here.worker_log()
    assert json.loads((story.run / "trained.json").read_text())["steps"] == STEPS
    assert json.loads((story.run / "finetune.json").read_text())["run_id"] == story.begun


def test_runs_tell_of_the_finetuning_and_its_evaluation_once(story: Story) -> None:
    rows = {row.kind: row for row in runs_of(story.here)}
    assert len(runs_of(story.here)) == len(rows) == 2
    assert Path(rows["finetune"].out) == story.run
    assert Path(rows["evaluate"].out) == story.run / "gate"
    assert rows["finetune"].store_version == story.finetuned["parameters"]["version"]


@pytest.fixture(scope="module")
def cancelled_ingest(story: Story, samples: Path) -> dict[str, Any]:
    """One more video is dropped; its ingest is cancelled at work, then run again."""
    here = story.here
    drop(samples, here.folder / "incoming" / "Jump", LATER, 3)
    before = len(here.runs("ingest"))
    run = here.start(f"{INGEST}/ingest")
    here.wait("shards are at work", lambda: len(here.runs("ingest")) > before, 240)
    here.cancel(run)
    cancelled = here.await_run(run)
    again = here.await_run(here.start(f"{INGEST}/ingest"))
    assert again["state_name"] == "Completed", here.logs()
    return cancelled


def test_a_cancelled_ingest_is_told_as_such_and_its_rerun_stores_every_file_once(
    story: Story, cancelled_ingest: dict[str, Any]
) -> None:
    assert cancelled_ingest["state_type"] == "CANCELLED", story.here.logs()
    storage_shards.assert_keys_once(open_store(str(story.here.folder / "store")))
    counted = count_rows(open_store(str(story.here.folder / "store")))
    assert (counted.videos, counted.motions) == (3, 3)


def test_too_little_that_is_new_is_no_finetuning(
    story: Story, cancelled_ingest: dict[str, Any]
) -> None:
    skipped = story.here.await_runs(FINETUNE, 3)[-1]
    assert (skipped["state_type"], skipped["state_name"]) == ("COMPLETED", "Skipped")
    assert skipped["state"]["message"] == "1 new motions of 2 in wild"
    assert len(list((story.here.folder / "trained" / "runs").iterdir())) == 1


def test_a_wrong_parameter_is_refused_when_a_run_is_asked_for(chain: Deployed) -> None:
    for deployment, wrong in (
        (f"{FINETUNE}/finetune", {"wild_ratio": 3}),
        (f"{FINETUNE}/finetune", {"preset": "huge"}),
        (f"{FINETUNE}/finetune", {"min_new_motions": {"wild": "many"}}),
        (f"{INGEST}/ingest", {"workers": 0}),
        ("compact-store/compact", {"fewest": 1}),
    ):
        assert next(iter(wrong)) in chain.refusal(deployment, **wrong)


def test_what_has_a_schedule_is_put_on_the_calendar(story: Story) -> None:
    """Not by our own code, but by the versions that are pinned: a nightly run has to come."""

    def planned() -> bool:
        flows = ("scheduled-ingest", "store-report", "compact-store")
        states = [{run["state_type"] for run in story.here.runs(flow)} for flow in flows]
        return all("SCHEDULED" in found for found in states)

    assert story.here.wait("all three are scheduled", planned, 60)


def test_a_watched_folder_may_be_empty(story: Story, tmp_path: Path) -> None:
    run = story.here.start(f"{INGEST}/ingest", videos=str(tmp_path))
    ended = story.here.await_run(run)
    assert (ended["state_type"], ended["state_name"]) == ("COMPLETED", "Skipped"), ended["state"]
    assert "holds no video" in ended["state"]["message"]
