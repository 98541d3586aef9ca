"""`prepare mocap`: what it stores, what it refuses, and that it may die and be repeated."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cli_runs
import mocap_archives as archives
import numpy as np
import pyarrow as pa
import pytest
from synthetic_motion import random_motions

from flows import prepare
from flows.prepare import store_motions
from flows.prepare_mocap import prepare_mocap
from flows.prepare_report import PrepareReport
from models.data.motion import Motion
from pipeline.arrays import Float32
from pipeline.mocap_archive import read_archive
from pipeline.normalisation import compute_statistics
from pipeline.rejects import Reject
from pipeline.representation2d import features_from_view
from pipeline.representation3d import features_from_canonical, recover_joints
from pipeline.skeletons import HUMANML3D, KIT
from pipeline.views import View, project_view
from storage import fault
from storage.arrow_rows import from_arrow, same_content
from storage.errors import RecipeMismatch
from storage.known_motions import known_motions
from storage.rows import MotionRow
from storage.schemas import MOTIONS, STATISTICS, TABLES
from storage.statistics import split_hash, stored_moments
from storage.store import Store, open_store

CLIPS = 5
VICTIM = Path(archives.__file__)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    archives.write_archive(folder, "part", [archives.record(k) for k in range(CLIPS)])
    return folder


@pytest.fixture(scope="module")
def prepared(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    url = tmp_path_factory.mktemp("prepared") / "store"
    (report,) = prepare_mocap(archive, str(url), ["part"], archives.Hashed())
    assert (report.motions, report.known, report.in_store) == (2 * CLIPS, 0, 2 * CLIPS)
    assert report.by_split == {"train": 6, "val": 2, "test": 2}
    assert (report.mirrored, report.rejected) == (CLIPS, {})
    return url


def rows_of(url: Path | str) -> dict[str, MotionRow]:
    rows = from_arrow(open_store(url).snapshot(MOTIONS.name).read(), MotionRow)
    assert len({row.motion_id for row in rows}) == len(rows)
    return {row.motion_id: row for row in rows}


def versions(url: Path) -> dict[str, int]:
    return {name: open_store(url).snapshot(name).version for name in TABLES}


def test_a_row_holds_all_that_training_asks_of_a_clip(prepared: Path) -> None:
    rows = rows_of(prepared)
    assert len(rows) == 2 * CLIPS
    for row in rows.values():
        joints = row.joints3d
        t = row.n_frames
        assert joints[..., 1].min() == pytest.approx(0.0, abs=1e-5)
        np.testing.assert_allclose(joints[0, 0, [0, 2]], 0.0, atol=1e-6)
        expected = features_from_canonical(joints.astype(np.float64), HUMANML3D)
        np.testing.assert_array_equal(row.features3d, expected)
        assert row.views2d.shape == (4, t, 22, 2)
        assert row.features2d_views.shape == (4, t - 1, 134)
        for view in View:
            seen = project_view(joints, 90.0 * view)
            np.testing.assert_array_equal(row.views2d[view], seen)
            features = features_from_view(seen, HUMANML3D)
            np.testing.assert_array_equal(row.features2d_views[view], features)
        np.testing.assert_array_equal(row.view2d, row.views2d[View.FRONT])
        assert row.joint_mask.all()
        assert (row.source_kind, row.text_encoder, row.fps) == ("mocap", "hashed-1", 20.0)
        assert len(row.lineage.source_hash) == 64
        assert row.lineage.config_json.count("mocap-archive") == 1


def test_stored_features_give_back_the_motion(prepared: Path) -> None:
    for row in rows_of(prepared).values():
        recovered = recover_joints(row.features3d, HUMANML3D)
        np.testing.assert_allclose(recovered, row.joints3d[:-1], atol=2e-4)


def test_each_clip_has_a_mirror_image_in_motion_and_words(prepared: Path) -> None:
    rows = rows_of(prepared)
    originals = [row for row in rows.values() if not row.mirrored]
    assert len(originals) == CLIPS
    for row in originals:
        image = rows["M" + row.motion_id]
        assert image.mirrored
        assert (image.split, image.action) == (row.split, row.action)
        assert image.captions[0] == "A person turns to the right, slowly."
        assert image.tokens[1].split()[4:] == ["left/OTHER", "leg/OTHER"]
        # Not closer: the target skeleton's left and right bones differ by up to a centimetre each.
        mirrored = row.joints3d[:, list(HUMANML3D.mirror_order)] * [-1.0, 1.0, 1.0]
        np.testing.assert_allclose(image.joints3d, mirrored, atol=0.06)
        assert np.abs(image.joints3d - row.joints3d).max() > 0.2
        assert not np.allclose(image.caption_embeddings, row.caption_embeddings)


def test_each_sentence_is_embedded_once(archive: Path, tmp_path: Path) -> None:
    encoder = archives.Hashed()
    prepare_mocap(archive, str(tmp_path / "store"), ["part"], encoder)
    assert len(encoder.asked) == len(set(encoder.asked)) == 4
    for row in rows_of(tmp_path / "store").values():
        np.testing.assert_array_equal(
            row.caption_embeddings, archives.Hashed().encode(row.captions)
        )


def test_statistics_are_those_of_the_training_split_in_four_views(prepared: Path) -> None:
    train = [row for row in rows_of(prepared).values() if row.split == "train"]
    keys = {
        "motion_id": pa.chunked_array([[r.motion_id for r in train]]),
        "source_hash": pa.chunked_array([[r.lineage.source_hash for r in train]]),
    }
    name = split_hash(pa.table(keys))
    assert name == split_hash(pa.table(keys).take(list(range(len(train)))[::-1]))
    assert stored_moments(open_store(prepared), {"part": "another"}) == {}
    stored = stored_moments(open_store(prepared), {"part": name})["part"]
    rows3 = np.concatenate([row.features3d for row in train]).astype(np.float64)
    rows2 = np.concatenate([v for row in train for v in row.features2d_views]).astype(np.float64)
    assert (stored.features3.count, stored.features2.count) == (len(rows3), len(rows2))
    np.testing.assert_allclose(stored.features3.mean, rows3.mean(0), atol=1e-6)
    np.testing.assert_allclose(stored.features2.variance, rows2.var(0), atol=1e-6)


def test_preparing_again_changes_nothing(archive: Path, prepared: Path) -> None:
    before = versions(prepared)
    encoder = archives.Hashed()
    (report,) = prepare_mocap(archive, str(prepared), ["part"], encoder)
    assert (report.motions, report.known, report.in_store) == (0, 2 * CLIPS, 2 * CLIPS)
    assert versions(prepared) == before
    assert encoder.asked == []


def broken_archive(folder: Path) -> Path:
    records = [
        archives.record(0),
        archives.record(1, glitch=True),
        archives.record(2, frames=7),
        archives.record(3, split="extra"),
        {"id": "000004", "split": "train"},
        archives.record(0, label="again"),
        archives.record(5, captions=["a person kicks"]),
    ]
    archives.write_archive(folder, "part", records)
    return folder


def test_bad_clips_are_named_and_the_run_goes_on(tmp_path: Path) -> None:
    folder = broken_archive(tmp_path / "archive")
    (report,) = prepare_mocap(folder, str(tmp_path / "store"), ["part"], archives.Hashed())
    assert report.motions == 2
    assert set(rows_of(tmp_path / "store")) == {"part_000000", "Mpart_000000"}
    said = {name: reason for name, reason in report.rejected.items() if not name.startswith("M")}
    assert "glitch" in said["000001"]
    assert "7 frames, at least 20" in said["000002"]
    assert "'extra'" in said["part_000003"]
    assert "captions" in said["000004"]
    assert "same id" in said["part_000000"]
    assert "its captions are not a list" in said["000005"]
    assert "rejected 000001" in "\n".join(report.lines())


def test_clips_of_another_skeleton_are_rejected_by_name(tmp_path: Path) -> None:
    archives.write_archive(tmp_path, "part", [archives.record(0)], joints=21)
    (report,) = prepare_mocap(tmp_path, str(tmp_path / "store"), ["part"], archives.Hashed())
    assert report.motions == 0
    assert "22, 3)" in report.rejected["part_000000"]


def spike(motion: Motion, metres: float) -> Float32:
    """(T, J, 3) one hand's leap in frame 7: a damaged frame."""
    out = np.zeros_like(motion.joints)
    out[7, 21, 1] = metres
    return out


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda m: replace(m, joints=np.where(m.joints > 1, np.nan, m.joints)), "not finite"),
        (
            lambda m: replace(m, joints=m.joints + spike(m, 1e10)),
            "m/s after frame 7, and at most 200",
        ),
        (
            lambda m: replace(m, joints=m.joints + spike(m, 30.0)),
            "frame or the next one is damaged",
        ),
        (lambda m: replace(m, joints=m.joints[:2]), "2 frames"),
        (lambda m: replace(m, joints=m.joints[:, :21]), "21 joints"),
        (lambda m: replace(m, features=np.zeros((len(m.joints) - 1, 251), "f4")), "251"),
        (lambda m: replace(m, features=np.full((len(m.joints) - 1, 263), np.inf, "f4")), "finite"),
        (lambda m: replace(m, features=np.full((len(m.joints) - 1, 263), 1e9, "f4")), "too large"),
    ],
)
def test_a_motion_that_cannot_be_trained_on_is_a_named_reject(
    spoil: Callable[[Motion], Motion], says: str, tmp_path: Path
) -> None:
    good, bad = random_motions([24, 24, 24])[:2]
    report = keep(tmp_path, [good, spoil(bad), Reject("file.bvh", "it is empty")])
    assert report.motions == 1
    assert says in report.rejected[bad.motion_id]
    assert report.rejected["file.bvh"] == "it is empty"


def keep(
    folder: Path, items: list[Motion | Reject], dataset: str = "mine", encoder: str = "hashed-1"
) -> PrepareReport:
    return store_motions(
        items,
        str(folder / "store"),
        dataset,
        encoder=archives.Hashed(encoder),
        skeleton=HUMANML3D,
        config={"reader": "test"},
    )


def test_the_sources_own_features_are_stored_as_they_are(tmp_path: Path) -> None:
    motion = random_motions([24, 24])[0]
    own = np.random.default_rng(0).normal(size=(23, 263)).astype(np.float32)
    keep(tmp_path, [replace(motion, features=own)])
    np.testing.assert_array_equal(rows_of(tmp_path / "store")["m0"].features3d, own)


def test_a_source_that_changed_is_told_and_not_passed_over(tmp_path: Path) -> None:
    motion = replace(random_motions([24, 24])[0], source_hash="a" * 64)
    assert keep(tmp_path, [motion]).motions == 1
    report = keep(tmp_path, [replace(motion, source_hash="b" * 64)])
    assert "changed since it was stored" in report.rejected["m0"]
    assert known_motions(open_store(tmp_path / "store"), "mine") == {"m0": "a" * 64}


def test_an_id_of_another_data_set_is_refused(tmp_path: Path) -> None:
    first, second = random_motions([24, 24, 24])[:2]
    keep(tmp_path, [first])
    report = keep(tmp_path, [first, second], "other")
    assert report.motions == 1
    assert "data set 'mine'" in report.rejected["m0"]


def test_another_encoder_does_not_mix_into_a_data_set(archive: Path, prepared: Path) -> None:
    with pytest.raises(RecipeMismatch, match=r"text_encoder was .hashed-1. and is now .hashed-2."):
        prepare_mocap(archive, str(prepared), ["part"], archives.Hashed("hashed-2"))


def test_a_source_that_is_refused_leaves_no_data_set_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no motion to prepare"):
        keep(tmp_path, [])
    keep(tmp_path, [Reject("a", "it is bad")])
    keep(tmp_path, random_motions([24, 24])[:1], encoder="hashed-2")  # nothing binds it yet


def contents(store: Store) -> dict[str, object]:
    return {spec.name: store.snapshot(spec.name).read() for spec in (MOTIONS, STATISTICS)}


def run_victim(archive: Path, url: Path, size: int, fault_at: str = "") -> int:
    done = subprocess.run(
        [sys.executable, str(VICTIM), str(archive), str(url), str(size)],
        env={**os.environ, fault.VARIABLE: fault_at, "PYTHONPATH": str(VICTIM.parent.parent)},
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


@pytest.mark.parametrize("point", [f"{fault.MID_WRITE}:2", fault.AFTER_MOTIONS, "before_tracks:3"])
def test_a_killed_preparation_and_its_rerun_make_the_store_of_an_unbroken_one(
    point: str, archive: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = tmp_path / "store"
    assert run_victim(archive, url, 3, point) == -signal.SIGKILL
    monkeypatch.setattr(prepare, "SHARD_MOTIONS", 4)  # the rerun groups differently
    (report,) = prepare_mocap(archive, str(url), ["part"], archives.Hashed())
    assert report.in_store == report.motions + report.known == 2 * CLIPS
    ours, unbroken = contents(open_store(url)), contents(open_store(prepared))
    assert same_content(ours[MOTIONS.name], unbroken[MOTIONS.name], MOTIONS)
    assert ours[STATISTICS.name].num_rows == 1
    for name in ("mean3", "variance2"):
        pair = [c[STATISTICS.name].column(name)[0].as_py() for c in (ours, unbroken)]
        np.testing.assert_allclose(*pair, atol=1e-9)


def test_kit_motions_are_stored_with_their_own_widths(tmp_path: Path) -> None:
    joints = random_motions_of_kit()
    motion = Motion(
        "kit0", "train", joints, (), np.zeros((0, 0), "f4"), joint_set=KIT.name, fps=12.5
    )
    report = store_motions(
        [motion],
        str(tmp_path / "store"),
        "kit",
        encoder=archives.Hashed(),
        skeleton=KIT,
        config={"reader": "test"},
    )
    row = rows_of(tmp_path / "store")["kit0"]
    assert report.without_caption == 1
    assert (row.features3d.shape[1], row.features2d_views.shape[2]) == (251, 128)
    assert (row.text_encoder, row.captions, row.fps) == (None, (), 12.5)


def random_motions_of_kit() -> np.ndarray:
    from synthetic_motion import random_motion

    from pipeline.canonical import canonicalise

    return canonicalise(random_motion(0, 30, KIT), KIT).astype(np.float32)


def test_statistics_do_not_depend_on_how_rows_are_grouped() -> None:
    rng = np.random.default_rng(0)
    rows3 = [rng.normal(3.0, 2.0, (n, 263)).astype(np.float32) for n in (5, 1, 40)]
    rows2 = [rng.normal(-1.0, 0.5, (n, 134)).astype(np.float32) for n in (7, 30)]
    apart = compute_statistics(rows3, rows2, HUMANML3D)
    whole = compute_statistics([np.concatenate(rows3)], [np.concatenate(rows2)], HUMANML3D)
    for name, value in apart.arrays().items():
        np.testing.assert_allclose(value, whole.arrays()[name], rtol=1e-5, atol=1e-6)


def test_the_command_tells_counts_and_refuses_in_one_sentence(
    archive: Path, prefect_home: Path, tmp_path: Path
) -> None:
    run = cli_runs.run(
        prefect_home, "prepare", "mocap", str(archive), "--out", str(tmp_path / "s"),
        "--parts", "part,none", "--json",
    )  # fmt: skip
    assert run.status == 2
    assert "no mocap part 'none'" in run.data["error"]
    assert "it has part" in run.data["error"]


@pytest.mark.shared
def test_real_clips_go_all_the_way(shared: Path, tmp_path: Path) -> None:
    longest = 140
    clips = list(read_archive(shared / "mocap", "hdm05", longest))
    (report,) = prepare_mocap(
        shared / "mocap", str(tmp_path / "store"), ["hdm05"], archives.Hashed(), longest
    )
    assert 0 < len(clips) < 20
    assert report.motions == 2 * len(clips)
    assert len(report.rejected) == 240 - len(clips)
