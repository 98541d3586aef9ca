"""Curators' decisions, and how much is pending: what counts, what is kept, what is refused."""

import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import storage_shards as samples
from storage_racing import race
from storage_run_writer import run_row

from storage import fault
from storage.catalog import connect, list_motions
from storage.decisions import (
    Decision,
    current_decisions,
    decision_history,
    decisions_version,
    moment_to_decide,
    record_decisions,
)
from storage.errors import StoreError, UnknownMotion
from storage.pending import last_finetuned_version, motions_since
from storage.runs import record_run
from storage.schemas import DECISIONS, TABLES
from storage.shards import commit_shard
from storage.store import Store, open_store

DECIDER = Path(__file__).with_name("storage_decider.py")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return samples.unbroken(tmp_path_factory.mktemp("filled") / "store", range(4))


@pytest.fixture
def store(filled: Store, tmp_path: Path) -> Store:
    shutil.copytree(filled.location.path, tmp_path / "store")
    return open_store(tmp_path / "store")


def ids(store: Store) -> list[str]:
    return list_motions(store).column("motion_id").to_pylist()


def start(store: Store, *arguments: str, fault_at: str = "") -> subprocess.Popen[bytes]:
    command = [sys.executable, str(DECIDER), store.location.root, *arguments]
    pipe = subprocess.PIPE
    environment = {**os.environ, fault.VARIABLE: fault_at}
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)


def decision(motion: str, minutes: int = 0, **said: object) -> Decision:
    at = MOMENT + timedelta(minutes=minutes)
    return Decision(**{"motion_id": motion, "by": "ada", "at": at, **said})  # type: ignore[arg-type]


def test_of_each_field_the_last_word_counts(store: Store) -> None:
    first, second = ids(store)[:2]
    made = [
        decision(first, 2, verdict="drop", by="bob"),
        decision(first, 0, verdict="keep", split="val", note="clean"),
        decision(first, 1, captions=("a person waves", "someone says hello")),
        decision(second, verdict="needs-work"),
    ]
    assert record_decisions(store, made) == 4
    now = current_decisions(store)
    assert set(now) == {first, second}
    assert now[first] == Decision(
        motion_id=first, by="bob", at=MOMENT + timedelta(minutes=2), verdict="drop", split="val",
        captions=("a person waves", "someone says hello"), note="clean",
    )  # fmt: skip
    assert now[second].captions is None and now[second].split is None
    assert decision_history(store, first) == [made[1], made[2], made[0]]


def test_said_twice_is_kept_once_and_nothing_is_ever_overwritten(store: Store) -> None:
    motion = ids(store)[0]
    kept, dropped = decision(motion, verdict="keep"), decision(motion, verdict="drop")
    assert record_decisions(store, [kept, kept]) == 1
    assert record_decisions(store, [kept]) == 0
    # The same curator at the same microsecond: two decisions, and one of them counts everywhere.
    assert record_decisions(store, [dropped]) == 1
    assert set(decision_history(store, motion)) == {kept, dropped}
    assert current_decisions(store)[motion] == decision_history(store, motion)[-1]


def test_what_is_said_last_counts_though_another_clock_is_ahead(store: Store) -> None:
    motion, other = ids(store)[:2]
    ahead = datetime.now(UTC) + timedelta(hours=3)
    record_decisions(store, [Decision(motion_id=motion, by="bob", at=ahead, verdict="drop")])
    moment = moment_to_decide(store, [motion, other])
    record_decisions(store, [Decision(motion_id=motion, by="ada", at=moment, verdict="keep")])
    assert current_decisions(store)[motion].verdict == "keep"
    assert moment_to_decide(store, [other]) < ahead


def test_decisions_hold_for_every_version_and_a_run_can_name_what_it_saw(store: Store) -> None:
    motion, url = ids(store)[0], store.location.root
    record_decisions(store, [decision(motion, verdict="keep")])
    seen = decisions_version(store)
    record_decisions(store, [decision(motion, 1, verdict="drop")])
    commit_shard(store, samples.shard([7]))
    pinned = open_store(f"{url}@1")
    assert current_decisions(pinned)[motion].verdict == "drop"
    assert current_decisions(pinned, version=seen)[motion].verdict == "keep"
    with connect(pinned) as connection:
        rows = connection.sql("SELECT verdict FROM decisions ORDER BY decided_at").fetchall()
    assert rows == [("keep",), ("drop",)]
    with pytest.raises(StoreError, match="without @VERSION"):
        record_decisions(pinned, [decision(motion, verdict="keep")])


def test_what_was_read_stays_as_it_was(store: Store) -> None:
    def versions() -> dict[str, int]:
        return {n: store.snapshot(n).version for n in TABLES if n != DECISIONS.name}

    before = versions()
    record_decisions(store, [decision(ids(store)[0], verdict="keep")])
    assert versions() == before


def test_a_store_from_before_decisions_reads_as_one_without_any(store: Store) -> None:
    shutil.rmtree(store.location.path / DECISIONS.name)
    assert current_decisions(store) == {} and decisions_version(store) is None
    with connect(store) as connection:
        assert connection.sql("SELECT count(*) FROM decisions").fetchall() == [(0,)]
    assert record_decisions(store, [decision(ids(store)[0], verdict="keep")]) == 1


def test_unknown_motions_are_refused_before_anything_is_recorded(store: Store) -> None:
    known = decision(ids(store)[0], verdict="keep")
    with pytest.raises(UnknownMotion, match=r"no motion 'nobody'.*ls --motions"):
        record_decisions(store, [known, decision("nobody", verdict="drop")])
    assert current_decisions(store) == {}


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({}, "nothing is decided"),
        ({"verdict": "maybe"}, "a verdict is keep, drop, needs-work"),
        ({"split": "training"}, "a split is train, val, test"),
        ({"captions": ()}, "must not be empty"),
        ({"captions": ("a", " ")}, "must not be empty"),
        ({"verdict": "keep", "by": " "}, "--by NAME"),
        ({"note": "caf\udce9"}, r"caf\\udce9' is no readable text"),
        ({"verdict": "keep", "at": MOMENT.replace(tzinfo=None)}, "time zone"),
    ],
)
def test_what_no_reader_could_act_on_is_one_sentence(
    said: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        decision("m", **said)


def test_two_writers_at_once_lose_nothing(store: Store) -> None:
    """The log alone orders them; where there is a lock, they do not even meet."""
    motions = ids(store)[:3]
    flags = ["--line-up", "--no-lock"]
    race(*(start(store, name, *flags, *motions) for name in ("ada", "bob")))
    for motion in motions:
        assert {made.by for made in decision_history(store, motion)} == {"ada", "bob"}
        assert len(decision_history(store, motion)) == 2


def test_a_killed_writer_and_its_repetition_leave_each_decision_once(store: Store) -> None:
    motions = ids(store)
    killed = start(store, "ada", *motions, fault_at=f"{fault.MID_WRITE}:2")
    _, errors = killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, errors.decode()
    assert set(current_decisions(store)) == {motions[0]}
    again = [decision(motion, by="ada", note="by ada") for motion in motions]
    assert record_decisions(store, again) == 3
    assert [len(decision_history(store, motion)) for motion in motions] == [1] * 4


def test_pending_counts_what_a_version_did_not_show(store: Store) -> None:
    assert motions_since(store, "demo", None) == 4
    assert motions_since(store, "demo", 0) == 4
    assert motions_since(store, "demo", 1) == 0
    commit_shard(store, samples.shard([5, 6]))
    assert motions_since(store, "demo", 1) == 2 and motions_since(store, "demo", None) == 6
    assert motions_since(open_store(f"{store.location.root}@1"), "demo", 1) == 2
    assert motions_since(store, "another", None) == 0
    with pytest.raises(StoreError, match="no version 99"):
        motions_since(store, "demo", 99)


def test_the_newest_completed_finetune_of_a_data_set_is_what_counts(store: Store) -> None:
    assert last_finetuned_version(store, "demo") is None

    def finetuned(name: str, day: int, version: int, **more: object) -> None:
        at = MOMENT + timedelta(days=day)
        more = {"kind": "finetune", "finished_at": at, "store_version": version, **more}
        record_run(store, run_row(name, **more))

    finetuned("a", 2, 1)
    finetuned("b", 1, 9)
    finetuned("c", 3, 5, status="failed")
    finetuned("d", 3, 6, kind="evaluate")
    finetuned("e", 3, 7, datasets=("other",))
    assert last_finetuned_version(store, "demo") == 1
    assert last_finetuned_version(store, "other") == 7
    assert last_finetuned_version(open_store(f"{store.location.root}@1"), "other") == 7
