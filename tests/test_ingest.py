"""`crossdiff ingest` whole: one row a file, lineage, shards, repeats, workers, a Prefect server."""

import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cli_runs
import numpy as np
import pytest
import storage_shards
from deltalake import DeltaTable

from flows.ingest_plan import plan_ingest
from pipeline.reasons import Reason
from pipeline.representation3d import recover_joints
from pipeline.skeletons import HUMANML3D
from pipeline.video import find_videos
from storage.catalog import count_rows, get_motion, list_motions, list_videos
from storage.schemas import DATASETS, MOTIONS, TABLES, TRACKS, VIDEOS
from storage.store import open_store

FILES = 5  # three samples, a broken file, a copy


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def table_versions(store: Path) -> dict[str, int]:
    return {name: DeltaTable(str(store / name)).version() for name in TABLES}


def files_of(store: Path) -> dict[str, str]:
    """Every file of the tables with its content."""
    return {str(path.relative_to(store)): sha256(path)
            for name in TABLES for path in (store / name).rglob("*") if path.is_file()}  # fmt: skip


def test_every_file_has_exactly_one_row(ingested: cli_runs.Ingested, videos: Path) -> None:
    rows = list_videos(open_store(ingested.store)).to_pylist()
    named = [name for row in rows for name in (row["name"], *row["aliases"])]
    assert sorted(named) == sorted(clip.name for clip in find_videos(videos))
    assert len(named) == FILES
    assert len({row["video_hash"] for row in rows}) == len(rows) == FILES - 1
    for row in rows:
        assert row["video_hash"] == sha256(Path(row["path"])) == sha256(videos / row["name"])
    (twice,) = [row for row in rows if row["aliases"]]
    assert {twice["name"], *twice["aliases"]} == {cli_runs.COPY, "SitDown/v_SitDown_g01_c01.avi"}


def test_a_failure_has_a_reason_and_the_rest_became_motion(ingested: cli_runs.Ingested) -> None:
    rows = {row["name"]: row for row in list_videos(open_store(ingested.store)).to_pylist()}
    broken = rows.pop(cli_runs.BROKEN)
    assert (broken["status"], broken["reason"]) == ("failed", Reason.NOT_A_VIDEO.value)
    assert broken["detail"]
    assert broken["motions"] == 0
    for row in rows.values():
        assert (row["status"], row["reason"], row["motions"]) == ("ok", None, 1)
        assert row["frames_decoded"] > 80
        assert row["decoder"] in ("decord", "opencv")
        assert row["chosen_person"]
        assert row["seconds_pose"] > 0


def test_ucf101_names_become_columns_and_groups_share_a_split(ingested: cli_runs.Ingested) -> None:
    store = open_store(ingested.store)
    row = list_videos(store, action="JumpingJack").to_pylist()[0]
    assert (row["action"], row["group"], row["clip"]) == ("JumpingJack", "01", "01")
    motions = list_motions(store).to_pylist()
    assert sorted(m["action"] for m in motions) == ["Cartwheel", "JumpingJack", "SitDown"]
    assert {m["split"] for m in motions} <= {"train", "val", "test"}


def test_every_row_says_where_it_comes_from(ingested: cli_runs.Ingested) -> None:
    store = open_store(ingested.store)
    ids = set()
    for name in (VIDEOS.name, TRACKS.name, MOTIONS.name):
        rows = storage_shards.stored(store, name).to_pylist()
        assert rows
        for row in rows:
            assert row["source_hash"] == row["video_hash"]
            assert row["estimator_id"].startswith("mediapipe-")
            assert row["checkpoint_id"].startswith("crossdiff-")
            assert row["code_version"]
            assert row["created_at"] is not None
            assert row["shard_id"]
            assert json.loads(row["config_json"])["shard_size"] == 2
            assert hashlib.sha256(row["config_json"].encode()).hexdigest() == row["config_hash"]
            ids.add(row["recipe_id"])
    (recipe,) = storage_shards.stored(store, DATASETS.name).to_pylist()
    assert ids == {recipe["recipe_id"]}
    assert json.loads(recipe["recipe_json"])["config"]["cleaning"]["fps"] == 20.0


def test_a_stored_motion_is_whole(ingested: cli_runs.Ingested) -> None:
    store = open_store(ingested.store)
    for row in list_motions(store).to_pylist():
        record = get_motion(store, row["motion_id"])
        motion, track = record.motion, record.track
        assert motion.joints3d is not None
        assert motion.features3d is not None
        assert track is not None
        assert motion.n_frames == row["n_frames"] == len(motion.joints3d)
        recovered = recover_joints(motion.features3d, HUMANML3D)
        np.testing.assert_allclose(recovered, motion.joints3d[: len(recovered)], atol=1e-4)
        assert track.chosen
        assert track.joint_set == "mediapipe33"
        assert track.clean_joints is not None
        assert track.clean_joints.shape == (motion.n_frames, 22, 2)
        assert 0 < row["quality_mean_confidence"] <= 1
        assert 0 <= row["quality_mask_share"] < 0.2
        assert 0 < row["quality_reprojection_error"] < 0.3


def test_a_shard_is_one_commit(ingested: cli_runs.Ingested) -> None:
    """Four contents in shards of two: two commits to each table, and no row outside them."""
    store = open_store(ingested.store)
    assert storage_shards.committed_shards(ingested.store) == 1 + 2  # the first creates the table
    for spec in (VIDEOS, TRACKS, MOTIONS):
        ids = storage_shards.stored(store, spec.name).column("shard_id").to_pylist()
        assert len(set(ids)) == 2, spec.name
    by_shard = storage_shards.stored(store, VIDEOS.name).column("shard_id").to_pylist()
    assert sorted(by_shard.count(shard) for shard in set(by_shard)) == [2, 2]
    earlier = count_rows(open_store(f"{ingested.store}@1"))
    assert earlier.videos == 2


def test_the_summary_is_one_json_object_and_nothing_is_left_running(
    ingested: cli_runs.Ingested,
) -> None:
    summary = ingested.run.data
    expected = {"dataset": cli_runs.DATASET, "store": str(ingested.store), "found": FILES,
                "known": 0, "duplicates": 1, "processed": 4, "ok": 3, "failed": 1, "motions": 3,
                "failures_by_reason": {"not_a_video": 1}, "failed_shards": {},
                "videos_in_dataset": 4, "motions_in_dataset": 3, "version": 2}  # fmt: skip
    assert {name: summary[name] for name in expected} == expected
    assert set(summary["seconds_by_stage"]) == {"decode", "pose", "normalise", "lift", "commit"}
    assert Path(summary["report"]).is_file()
    assert ingested.run.left_over == []
    assert "leaked" not in ingested.run.stderr
    assert "Traceback" not in ingested.run.stderr
    assert "4/4" in ingested.run.stderr  # progress


def test_a_second_run_changes_no_row(
    ingested: cli_runs.Ingested, videos: Path, prefect_home: Path
) -> None:
    versions, files = table_versions(ingested.store), files_of(ingested.store)
    began = time.monotonic()
    again = cli_runs.run(prefect_home, *cli_runs.ingest_arguments(videos, ingested.store))
    assert again.status == 0, again.stderr
    assert time.monotonic() - began < 15  # no model is loaded, no server started
    summary = again.data
    assert (summary["found"], summary["known"], summary["processed"]) == (FILES, FILES, 0)
    assert (summary["videos_in_dataset"], summary["version"]) == (4, 2)
    assert table_versions(ingested.store) == versions
    assert files_of(ingested.store) == files
    assert again.left_over == []


def test_only_new_content_is_planned(ingested: cli_runs.Ingested, tmp_path: Path) -> None:
    known = frozenset(
        row["video_hash"] for row in list_videos(open_store(ingested.store)).to_pylist()
    )
    shutil.copy2(next(path for path in ingested_paths(ingested) if "SitDown" in path), tmp_path)
    (tmp_path / "new.avi").write_bytes(b"something else")
    (tmp_path / "list.csv").write_text("path,action\nnew.avi,Dance\nv_SitDown_g02_c01.avi,\n"
                                       "gone.avi,Dance\n")  # fmt: skip
    plan = plan_ingest(find_videos(tmp_path / "list.csv"), known)
    assert (plan.found, plan.known, plan.duplicates) == (3, 1, 0)
    new, gone = plan.pending
    assert (new.source.action, new.reason) == ("Dance", None)
    assert gone.reason is Reason.NOT_FOUND
    assert gone.detail
    shards = plan.shards(1)
    assert [len(clips) for _, clips in shards] == [1, 1]
    assert shards == plan_ingest(find_videos(tmp_path / "list.csv"), known).shards(1)


def ingested_paths(ingested: cli_runs.Ingested) -> list[str]:
    return [row["path"] for row in list_videos(open_store(ingested.store)).to_pylist()]


@dataclass(frozen=True)
class Served(cli_runs.Ingested):
    """A store, the command that made it, and what a Prefect server knows about it."""

    flow_run: dict[str, Any]


@pytest.fixture(scope="module")
def served(
    videos: Path, prefect_home: Path, prefect_api: cli_runs.PrefectApi,
    tmp_path_factory: pytest.TempPathFactory,
) -> Served:  # fmt: skip
    """The same ingest by two worker processes, in other shards, under a Prefect server."""
    store = tmp_path_factory.mktemp("served") / "store"
    more = ("--workers", "2", "--shard-size", "1")
    arguments = cli_runs.ingest_arguments(videos, store, *more)
    before = prefect_api.ingest_runs()
    done = cli_runs.run(prefect_home, *arguments, PREFECT_API_URL=prefect_api.url)
    assert done.status == 0, done.stderr
    (run,) = [r for name, r in prefect_api.ingest_runs().items() if name not in before]
    return Served(store, done, run)


def test_two_workers_make_the_same_rows_as_one(served: Served, ingested: cli_runs.Ingested) -> None:
    store = open_store(served.store)
    storage_shards.assert_keys_once(store)
    storage_shards.assert_same_store(store, open_store(ingested.store))
    shard_ids = storage_shards.stored(store, VIDEOS.name).column("shard_id").to_pylist()
    assert len(set(shard_ids)) == 4
    assert served.run.left_over == []
    assert "leaked" not in served.run.stderr


def test_a_named_prefect_server_sees_the_run(
    served: Served, prefect_api: cli_runs.PrefectApi
) -> None:
    assert served.run.data["processed"] == 4
    assert served.flow_run["state"]["type"] == "COMPLETED"
    this_run = served.flow_run["id"]
    tasks = prefect_api.post("task_runs/filter", flow_runs={"id": {"any_": [this_run]}})
    assert len(tasks) == 4
    assert {task["state"]["type"] for task in tasks} == {"COMPLETED"}
    wanted = {"key": {"any_": ["ingest-summary"]}, "flow_run_id": {"any_": [this_run]}}
    (summary,) = prefect_api.post("artifacts/filter", artifacts=wanted)
    assert "not_a_video | 1" in summary["data"]


def test_prefect_shows_progress_failures_and_the_way_to_the_report(
    served: Served, prefect_api: cli_runs.PrefectApi
) -> None:
    here = {"flow_run_id": {"any_": [served.flow_run["id"]]}}
    found = {a["key"]: a for a in prefect_api.post("artifacts/filter", artifacts=here)}
    assert found["ingest-progress"]["type"] == "progress"
    assert float(found["ingest-progress"]["data"]) == 100.0
    (row,) = json.loads(found["ingest-failures"]["data"])
    assert (row["reason"], row["file"]) == ("not_a_video", cli_runs.BROKEN)
    assert row["sentence"]
    assert served.run.data["failures"] == [
        {"file": row["file"], "reason": row["reason"], "detail": row["sentence"]}
    ]
    report = Path(served.run.data["report"])
    assert report.as_uri() in found["ingest-report"]["data"]
    assert "| files found | 5 |" in found["ingest-summary"]["data"]
