"""Decisions over HTTP: on disk when answered, folded everywhere, taken back, by two at once."""

import os
import shutil
import signal
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import finetune_parts
import pyarrow as pa
import pytest
import storage_shards as samples_of
from dashboard_server import ask, command, served, wait_until
from deltalake import DeltaTable
from export_store import captured
from hypothesis import given, settings
from hypothesis import strategies as st
from mocap_archives import Hashed
from motion_store import RECIPE

from flows.decide import DecideOptions, run_decide
from flows.finetune_data import open_wild
from models.checkpoint import load_checkpoint
from storage import decisions as decisions_module
from storage.columns import TableSpec
from storage.compaction import compact_all
from storage.dashboard.decision_book import DecisionBook
from storage.decisions import (
    Decision,
    current_decisions,
    decision_history,
    decisions_version,
    fold,
    read_decisions,
    record_decisions,
)
from storage.recipes import register_recipe
from storage.rows import ShardRows
from storage.schemas import DECISIONS, TABLES
from storage.shards import commit_shard
from storage.store import Store, create_store, open_store

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return samples_of.unbroken(tmp_path_factory.mktemp("filled") / "store", range(8))


@pytest.fixture
def store(filled: Store, tmp_path: Path) -> Store:
    shutil.copytree(filled.location.path, tmp_path / "store")
    return open_store(tmp_path / "store")


@pytest.fixture
def page(store: Store, tmp_path: Path):
    with served(store, tmp_path / "cache") as page:
        yield page


def test_what_was_answered_survives_a_kill_at_once(store: Store, tmp_path: Path):
    """The answer is the promise: whatever happens to the server afterwards."""
    url = store.location.root
    with command(tmp_path, "--store", url, "--by", "ada") as (process, port):
        _, listed = ask(port, "GET", "/api/motions")
        first, second, *_ = (row["motion_id"] for row in listed["rows"])
        body = {"motion_ids": [first, second], "verdict": "drop", "captions": ["a <b>bold</b> é"]}
        status, said = ask(port, "POST", "/api/decisions", body)
        os.kill(process, signal.SIGKILL)
        assert status == 200 and said["recorded"] == 2
    kept = current_decisions(open_store(url))
    assert {kept[name].verdict for name in (first, second)} == {"drop"}
    assert kept[first].captions == ("a <b>bold</b> é",) and kept[first].by == "ada"
    assert kept[first].decision_id == said["current"][first]["decision_id"]


def test_many_at_once_are_one_commit_and_all_or_nothing(page, store: Store):
    names = page.ids()
    said = page.decide(*names, verdict="keep", split="val")
    assert said["recorded"] == len(names) and set(said["current"]) == set(names)
    assert len(said["moments"]) == 1
    version = decisions_version(store)
    page.decide(*names, verdict="drop")
    assert decisions_version(store) == version + 1
    wrong = {"motion_ids": [*names, "nobody"], "verdict": "needs-work"}
    assert "'nobody'" in page.post("/api/decisions", wrong, 404)["error"]
    assert decisions_version(store) == version + 1
    assert page.get("/api/motions", verdict="drop", split="val")["total"] == len(names)


def test_a_recording_deep_in_its_folders_is_looked_at_and_decided_on(tmp_path: Path):
    name = f"{'a long folder ' * 9}/{'a long name ' * 11}"
    store = create_store(tmp_path / "store")
    register_recipe(store, "mocap", RECIPE)
    rows = ShardRows("mocap", "s1", RECIPE.recipe_id, (), (), [captured(name, 0)])
    commit_shard(store, rows)
    with served(store, tmp_path / "cache") as page:
        assert page.get("/api/motion", id=name)["motion_id"] == name
        assert page.client.get("/api/thumb", params={"id": name}).status_code == 200
        assert page.decide(name, verdict="drop")["current"][name]["verdict"] == "drop"


def test_rows_filters_and_search_count_decisions_in(page):
    first, second, *_ = page.ids()
    page.decide(first, captions=["Somebody dances the Lambada"], split="test", note="why not")
    (row,) = page.get("/api/motions", q="lambada")["rows"]
    assert row["motion_id"] == first and row["captions"] == ["Somebody dances the Lambada"]
    assert row["split"] == "test" and row["decided_by"] == "ada"
    assert page.ids(split="test", q="LAMBADA dances") == [first]
    told = page.get("/api/motion", id=first)
    assert told["note"] == "why not" and told["original"]["captions"] != row["captions"]
    page.decide(second, verdict="keep")
    assert page.ids(sort="decided_at", order="desc")[:2] == [second, first]
    assert second not in page.ids(verdict="none") and page.ids(verdict="keep") == [second]


def test_undo_takes_back_and_redo_brings_back_and_nothing_is_deleted(page, store: Store):
    own = page.get("/api/motions", limit=1)["rows"][0]
    first = own["motion_id"]
    page.decide(first, verdict="keep", captions=["one"])
    dropped = page.decide(first, verdict="drop", captions=["two"])["current"][first]["decision_id"]
    back = page.post("/api/undo", {"decision_ids": [dropped]})
    now = back["current"][first]
    assert (now["verdict"], now["captions"]) == ("keep", ["one"]) and back["recorded"] == 1
    assert now["effective"] == {"verdict": "keep", "captions": ["one"], "split": own["split"]}
    assert page.ids(verdict="keep") == [first] and page.ids(q="two") == []
    assert page.post("/api/undo", {"decision_ids": [dropped]})["recorded"] == 0
    again = page.post("/api/undo", {"decision_ids": [now["decision_id"]]})
    assert again["current"][first]["verdict"] == "drop"
    history = page.get("/api/motion", id=first)["history"]
    assert [made["verdict"] for made in history] == ["keep", "drop", None, None]
    assert [bool(made["withdrawn_by"]) for made in history] == [False, False, True, False]
    assert len(decision_history(store, first)) == 4
    assert "no such decision" in page.post("/api/undo", {"decision_ids": ["x"]}, 404)["error"]


def test_everything_taken_back_is_as_if_nothing_was_decided(page, store: Store):
    names = page.ids()
    made = page.decide(*names, verdict="drop")
    taken = page.post("/api/undo", {"decision_ids": made["decision_ids"]})
    assert {now["verdict"] for now in taken["current"].values()} == {None}
    (row,) = page.get("/api/motions", limit=1)["rows"]
    effective = taken["current"][row["motion_id"]]["effective"]
    assert effective["captions"] == row["captions"] and effective["split"] == row["split"]
    assert page.get("/api/motions", verdict="none")["total"] == len(names)
    assert current_decisions(store) == {} and len(page.get("/api/decisions")["rows"]) > 0


def test_two_curators_last_wins_and_both_are_told(page):
    first, second, *_ = page.ids()
    ada = page.decide(first, verdict="keep", seen={first: None})
    assert ada["decided_meanwhile"] == []
    bob = page.decide(first, second, verdict="drop", by="bob", seen={first: None, second: None})
    (meanwhile,) = bob["decided_meanwhile"]
    assert meanwhile["motion_id"] == first and meanwhile["by"] == "ada"
    assert bob["recorded"] == 2 and bob["current"][first]["by"] == "bob"
    seen = {first: bob["current"][first]["decision_id"]}
    assert page.decide(first, verdict="keep", seen=seen)["decided_meanwhile"] == []
    assert [made["by"] for made in page.get("/api/motion", id=first)["history"]] == [
        "ada", "bob", "ada",
    ]  # fmt: skip


def test_what_is_sent_again_because_no_answer_came_is_recorded_once(page, store: Store):
    """The first answer was lost: nobody can tell whether it was recorded but the store."""
    first, second, third, *_ = page.ids()
    said = {"verdict": "keep", "note": "good", "seen": {first: None, second: None}, "by": "bob"}
    lost = page.decide(first, **said)
    again = page.decide(first, second, **said, again=True)
    assert again["recorded"] == 1 and again["decided_meanwhile"] == []
    assert again["decision_ids"][0] == lost["decision_ids"][0] and len(again["decision_ids"]) == 2
    assert [len(decision_history(store, name)) for name in (first, second)] == [1, 1]
    page.post("/api/undo", {"decision_ids": again["decision_ids"], "by": "bob"})
    assert page.get("/api/motion", id=first)["verdict"] is None, "nothing of it is left"
    assert page.decide(first, **said, again=True)["recorded"] == 1, "undone: said anew"
    for verdict in ("keep", "drop"):
        page.decide(third, verdict=verdict, seen={third: None})
    last = page.decide(third, verdict="keep", seen={third: None}, again=True)
    assert last["recorded"] == 1 and last["current"][third]["verdict"] == "keep"
    other = page.decide(third, verdict="keep", seen={third: None}, by="bob", again=True)
    assert other["recorded"] == 1, "another curator's word is another word"


def test_another_process_s_decision_is_folded_in_and_told_even_from_a_clock_ahead(
    page, store: Store
):
    first = page.ids()[0]
    page.decide(first, verdict="keep")
    ahead = datetime.now(UTC) + timedelta(hours=2)
    record_decisions(store, [Decision(motion_id=first, by="cli", at=ahead, verdict="drop")])
    said = page.decide(first, verdict="needs-work", seen={first: None})
    assert said["decided_meanwhile"][0]["by"] == "cli"
    assert page.ids(verdict="needs-work") == [first]
    assert current_decisions(store)[first].verdict == "needs-work"


def test_what_another_process_decides_shows_without_asking_twice(page, store: Store):
    first = page.ids()[0]
    record_decisions(store, [Decision(motion_id=first, by="cli", verdict="drop")])
    wait_until(lambda: page.ids(verdict="drop") == [first])
    assert page.get("/api/decisions", limit=1)["rows"][0]["by"] == "cli"


def test_many_requests_at_once_lose_nothing(page, store: Store):
    names = page.ids()
    done = []

    def one(number: int) -> None:
        by = f"curator {number}"
        done.append(page.decide(names[number % len(names)], note=by, by=by)["recorded"])

    threads = [threading.Thread(target=one, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [1] * 12
    assert {made.by for made in read_decisions(store)} == {f"curator {n}" for n in range(12)}
    assert len(read_decisions(store)) == 12


def test_the_book_is_the_table_after_additions_and_merging(store: Store):
    names = current_ids(store)
    book = DecisionBook()
    assert not book.refresh(store) and book.standings == {}
    for number in range(5):
        at = MOMENT + timedelta(minutes=number)
        made = Decision(motion_id=names[number % 3], by="ada", at=at, note=str(number))
        record_decisions(store, [made])
        assert book.refresh(store) == {names[number % 3]}
    compact_all(store, fewest=2)
    assert book.refresh(store) is None, "merged files are read anew"
    assert book.refresh(store) == set()
    assert [made.note for made in book.newest(9)] == ["4", "3", "2", "1", "0"]
    assert book.history(names[0]) == decision_history(store, names[0])


def current_ids(store: Store) -> list[str]:
    from storage.catalog import list_motions

    return list_motions(store).column("motion_id").to_pylist()


def histories() -> st.SearchStrategy:
    return st.lists(
        st.tuples(
            st.sampled_from(["keep", "drop", "needs-work", None]),
            st.sampled_from([None, "train", "val"]),
            st.lists(st.integers(0, 7), max_size=2),
        ),
        min_size=1,
        max_size=8,
    )


@settings(max_examples=60, deadline=None)
@given(histories())
def test_folding_is_what_the_rules_say(said: list):
    """Against the rules read literally: who counts is asked of each decision by itself."""
    history: list[Decision] = []
    for number, (verdict, wanted, taken) in enumerate(said):
        ids = tuple(sorted({history[t].decision_id for t in taken if t < number}))
        split = wanted if verdict or wanted or ids else "test"
        history.append(
            Decision(motion_id="m", by="ada", at=MOMENT + timedelta(seconds=number),
                     verdict=verdict, split=split, withdraws=ids)
        )  # fmt: skip

    def counts(place: int) -> bool:
        name = history[place].decision_id
        return not any(
            name in history[later].withdraws and counts(later)
            for later in range(place + 1, len(history))
        )

    standing = fold(history)
    left = [made for place, made in enumerate(history) if counts(place)]
    for field in ("verdict", "split"):
        words = [getattr(made, field) for made in left if getattr(made, field) is not None]
        found = getattr(standing.current, field) if standing.current else None
        assert found == (words[-1] if words else None)
    assert set(standing.withdrawn) == {
        made.decision_id for place, made in enumerate(history) if not counts(place)
    }


def test_a_table_from_before_withdrawals_reads_and_grows(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    name = current_ids(store)[0]
    shutil.rmtree(store.location.path / "decisions")
    columns = tuple(column for column in DECISIONS.columns if column.name != "withdraws")
    old = TableSpec(
        name=DECISIONS.name, doc=DECISIONS.doc, key=DECISIONS.key, unit=DECISIONS.unit,
        columns=columns, rows_per_group=DECISIONS.rows_per_group,
    )  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setitem(TABLES, DECISIONS.name, old)
        patched.setattr(decisions_module, "DECISIONS", old)
        row = decisions_module._row
        patched.setattr(
            decisions_module, "_row",
            lambda *a: {k: v for k, v in row(*a).items() if k != "withdraws"},
        )  # fmt: skip
        record_decisions(store, [Decision(motion_id=name, by="ada", at=MOMENT, verdict="drop")])
    fields = pa.schema(DeltaTable(f"{store.location.root}/decisions").schema().to_arrow()).names
    assert "withdraws" not in fields
    kept = current_decisions(store)[name]
    assert kept.verdict == "drop" and kept.withdraws == ()
    said, lines = run_decide(DecideOptions(store.location.root, (name,), by="ada", undo=True))
    assert said["recorded"] == 1 and "taken back" in lines[0]
    assert current_decisions(store) == {}
    assert [made.withdraws for made in decision_history(store, name)] == [(), (kept.decision_id,)]


def test_the_id_of_a_decision_is_what_it_was_before_it_could_be_taken_back():
    made = Decision(
        motion_id="demo-1", by="ada", at=MOMENT, verdict="drop", captions=("a", "b"), split="val",
        note="n",
    )  # fmt: skip
    assert made.decision_id == "df70dc75feec175eecc74ae4df18259c"
    assert replace(made, withdraws=("x",)).decision_id != made.decision_id


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"verdicts": ("keep",), "undo": True}, "say nothing else"),
        ({"undo": True}, "has decided nothing"),
        ({"undo": True, "motion_ids": ()}, "say which motions"),
    ],
)
def test_undo_on_the_command_line_refuses_in_one_sentence(
    store: Store, options: dict, sentence: str
):
    given_ = {"motion_ids": (current_ids(store)[0],), "by": "ada", **options}
    with pytest.raises(ValueError, match=sentence):
        run_decide(DecideOptions(store.location.root, **given_))


def test_on_the_command_line_ones_own_last_decision_is_taken_back(store: Store):
    name, url = current_ids(store)[0], store.location.root
    for by, verdict in (("ada", "keep"), ("ada", "drop"), ("bob", "needs-work")):
        run_decide(DecideOptions(url, (name,), (verdict,), by=by))
    verdicts = []
    for by in ("ada", "bob", "ada"):
        said, _ = run_decide(DecideOptions(url, (name,), by=by, undo=True))
        verdicts.append(said["current"][0]["verdict"])
    assert verdicts == ["needs-work", "keep", None]


def test_finetuning_honours_what_was_decided_in_the_browser(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    parts = finetune_parts.make_parts(tmp_path, samples)
    monkeypatch.setattr("flows.finetune_data.encoder_for_checkpoint", lambda *_: Hashed())
    parent, options = load_checkpoint(parts.parent), parts.options(tmp_path / "run")

    def trained() -> dict[str, tuple[str, ...]]:
        selection = open_wild(str(parts.wild), options, parent).selection
        return {motion.motion_id: motion.captions for motion, _ in selection.train}

    before = trained()
    dropped, told, held, *_ = sorted(before)
    with served(open_store(parts.wild), tmp_path / "cache") as page:
        made = page.decide(dropped, verdict="drop")
        page.decide(told, captions=["somebody does what the curator says"])
        page.decide(held, split="val")
        now = trained()
        assert dropped not in now and held not in now and dropped in before
        assert now[told] == ("somebody does what the curator says",) != before[told]
        page.post("/api/undo", {"decision_ids": made["decision_ids"]})
        assert dropped in trained(), "what was taken back trains again"
