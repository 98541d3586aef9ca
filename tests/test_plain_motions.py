"""Motions per class: the narrow copy answers as the tables do, whatever happened in between."""

import shutil
from dataclasses import replace

import pytest
import storage_shards as samples

from flows.cli import main
from storage.catalog import connect
from storage.compaction import compact
from storage.opened import FOLDER
from storage.plain_motions import KEPT, LAYOUT, PLAIN, QualityBounds, motions_per_class
from storage.recipes import register_recipe
from storage.shards import commit_shard
from storage.store import Store, create_store, open_store


@pytest.fixture
def store(tmp_path) -> Store:
    made = create_store(tmp_path / "store")
    for name in ("demo", "other"):
        register_recipe(made, name, samples.RECIPE)
    return made


def bring(store: Store, first: int, dataset: str = "demo", **changes) -> None:
    shard = samples.shard(range(first, first + 6), dataset)
    motions = [replace(row, **changes) for row in shard.motions]
    commit_shard(store, replace(shard, motions=motions))


def copies(store: Store) -> list[str]:
    return sorted(p.name for p in (store.location.path / FOLDER / LAYOUT).glob("*"))


def counted(store: Store, **asked) -> dict[str, tuple[int, float]]:
    rows = motions_per_class(open_store(store.location.root), **asked).to_pylist()
    return {row["action"]: (row["motions"], round(row["seconds"], 3)) for row in rows}


def told_by_the_tables(store: Store, where: str = "true") -> dict[str, tuple[int, float]]:
    sql = (
        "SELECT coalesce(action, ''), count(*), sum(n_frames / fps) FROM motions "
        f"WHERE {where} GROUP BY 1"
    )
    with connect(open_store(store.location.root)) as connection:
        return {a: (n, round(s, 3)) for a, n, s in connection.execute(sql).fetchall()}


def test_it_answers_as_the_tables_do_while_they_grow_and_are_rearranged(store):
    assert counted(store) == {}
    for first in (0, 6, 12, 18):
        bring(store, first)
        assert counted(store) == told_by_the_tables(store) != {}
    bring(store, 24, "other", action=None)
    compact(store, "demo")
    assert counted(store) == told_by_the_tables(store)
    assert "" in counted(store, dataset="other")
    assert counted(store, dataset="demo") == told_by_the_tables(store, "dataset = 'demo'")
    assert len(copies(store)) == KEPT and not [n for n in copies(store) if "partial" in n]


def test_motions_of_a_shard_that_was_killed_do_not_count_until_it_is_done(store, monkeypatch):
    class Killed(BaseException):
        pass

    def die(moment: str) -> None:
        if moment == "after_motions":
            raise Killed

    bring(store, 0)
    before = counted(store)
    with monkeypatch.context() as patch:
        patch.setattr("storage.fault.die_at", die)
        patch.setattr("storage.fault.AFTER_MOTIONS", "after_motions")
        with pytest.raises(Killed):
            bring(store, 6)
    assert counted(store) == before == told_by_the_tables(store)
    bring(store, 6)
    assert counted(store) == told_by_the_tables(store) != before


BOUNDS = [
    ({"max_reprojection_m": 0.02}, "quality_reprojection_error = 0.01"),
    ({"min_confidence": 0.5}, "quality_mean_confidence = 0.75"),
    ({"min_coverage": 0.9}, "quality_coverage > 0.89"),
    ({"max_masked": 0.25}, "quality_mask_share = 0.25"),
    ({"min_score": 0.5}, "label_score = 0.5"),
    ({"max_reprojection_m": 0.02, "min_confidence": 0.8}, "false"),
]


def test_quality_bounds_count_those_that_reach_them_and_no_unknown(store):
    names = ("reprojection_error", "mean_confidence", "mask_share", "coverage")
    of_quality = {0: (0.01, 0.75, 0.25, 1.0), 6: (float("nan"),) * 4, 12: (0.03, 0.25, 0.75, 0.5)}
    for first, values in of_quality.items():
        named = zip(names, values, strict=True)
        scores = {"label_score": {0: 0.5, 6: float("nan"), 12: 0.25}[first]}
        bring(store, first, **{f"quality_{name}": value for name, value in named}, **scores)
    bring(store, 18, quality_coverage=None)
    for bounds, where in BOUNDS:
        known = f"{where} AND NOT coalesce(isnan(quality_coverage), true)"
        expected = told_by_the_tables(store, known)
        assert counted(store, bounds=QualityBounds(**bounds)) == expected
        assert (expected == {}) == (where == "false")


def test_a_copy_that_is_gone_damaged_or_cannot_be_made_costs_time_alone(store):
    bring(store, 0)
    truth = told_by_the_tables(store)
    folder = store.location.path / FOLDER / LAYOUT
    assert counted(store) == truth
    (file,) = folder.iterdir()
    for content in (b"", b"PAR1 not really PAR1", file.read_bytes()[:-20]):
        file.write_bytes(content)
        assert counted(store) == truth  # and the copy is made again
        assert counted(store) == truth and file.stat().st_size > 20
    file.write_bytes(b"damaged")
    bring(store, 6)  # the next copy would build on it
    assert counted(store) == told_by_the_tables(store) != truth
    shutil.rmtree(folder)
    folder.parent.mkdir(exist_ok=True)
    folder.write_bytes(b"in the way")
    assert counted(store) == told_by_the_tables(store)


def test_an_earlier_version_and_a_store_made_anew_get_their_own_answer(store, tmp_path):
    bring(store, 0)
    first, version = counted(store), open_store(store.location.root).snapshot("videos").version
    bring(store, 6)
    assert counted(store) != first
    pinned = open_store(f"{store.location.root}@{version}")
    assert {r["action"]: r["motions"] for r in motions_per_class(pinned).to_pylist()} == {
        action: n for action, (n, _) in first.items()
    }
    opened = tmp_path / "opened"
    shutil.move(store.location.path / FOLDER, opened)
    shutil.rmtree(store.location.path)
    again = create_store(store.location.root)
    register_recipe(again, "demo", samples.RECIPE)
    bring(again, 6)
    bring(again, 12, action="New")
    shutil.move(opened, again.location.path / FOLDER)  # of the same versions, of another store
    assert counted(again) == told_by_the_tables(again) and "New" in counted(again)


def test_the_copy_holds_every_column_that_it_says(store):
    bring(store, 0)
    (row,) = motions_per_class(store, dataset="demo").slice(0, 1).to_pylist()
    assert set(row) == {"action", "motions", "seconds"}
    assert set(PLAIN) <= set(store.snapshot("motions").spec.schema.names)


def test_the_command_says_it_in_words_and_as_data(store, capsys):
    bring(store, 0)
    assert main(["classes", "--store", store.location.root, "--min-confidence", "1"]) == 0
    assert capsys.readouterr().out == "no motion is like that\n"
    assert main(["classes", "--store", store.location.root, "--min-confidence", "7"]) == 2
    assert "give a share, 0 to 1" in capsys.readouterr().err
    bring(store, 6, label_score=0.75)
    assert main(["classes", "--store", store.location.root, "--min-score", "0.75"]) == 0
    told = capsys.readouterr().out
    unscored = sum(n for n, _ in told_by_the_tables(store, "label_score IS NULL").values())
    assert f"{unscored} motions from video have no score" in told
    assert "0 s" not in told.splitlines()[-1] and "motions" in told.splitlines()[0]
    assert main(["classes", "--store", store.location.root]) == 0
    assert "motions" in capsys.readouterr().out
    assert main(["classes", "--store", store.location.root, "--json"]) == 0
    assert '"classes": [{"action": ' in capsys.readouterr().out
