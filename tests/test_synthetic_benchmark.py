"""Errors from pixels on clips with known 3D: measured right, missing labels counted, kept 2D."""

import dataclasses
import json
from pathlib import Path

import cli_runs
import numpy as np
import pytest
from truth_clips import SAMPLES

from flows import benchmark_render
from flows.evaluation_page.synthetic_section import synthetic_lines, synthetic_sections
from models.evaluation import body_joints, synthetic
from models.evaluation.body_joints import fit_weights, load_body_joints
from models.evaluation.observed_files import load_observed, observation_name, save_observed
from models.evaluation.synthetic_measures import (
    LIMBS,
    SAME_FRAMES,
    ClipMeasures,
    measure_labels,
    measure_other,
    measure_view,
)
from models.evaluation.synthetic_report import summarise
from models.evaluation.synthetic_truth import at_even_distances, find_truth_clips
from models.evaluation.synthetic_variants import DEFAULT, variant_config, variants_of
from models.lifting.label_config import LabelConfig
from models.lifting.observing import ObservedClip, Person
from pipeline.camera.path import CameraPath
from pipeline.carriers import Pose2D, VideoInfo
from pipeline.pose.joint_sets import JOINT_SETS
from pipeline.pose.protocol import PersonTrack
from pipeline.reasons import Reason
from pipeline.skeletons import HUMANML3D
from pipeline.tracking import Choice

NAMES = JOINT_SETS["mediapipe33"].joints
JOINT = {name: i for i, name in enumerate(HUMANML3D.joint_names)}


@dataclasses.dataclass
class FakeMotion:
    """What `measure_labels` asks of a labelled motion."""

    start_s: float
    joints3d: np.ndarray
    pixels: np.ndarray
    seen: np.ndarray


@dataclasses.dataclass
class FakeResult:
    motions: list
    reason: Reason | None = None


@pytest.fixture(scope="module")
def clip():
    return next(c for c in find_truth_clips(SAMPLES) if c.action == "SitDown")


def label_of(clip, start_s=0.0, frames=60, change=lambda joints: joints, shift_px=0.0):
    times = start_s + np.arange(frames) / 20
    joints, pixels = clip.joints_at(times), clip.pixels_at(times) + shift_px
    return FakeMotion(start_s, change(joints), pixels, np.ones((frames, 22), bool))


def observed(clip, *, world=lambda upright: upright, noise_px=0.0, hidden=()):
    """What a perfect backend would have seen, at 20 fps."""
    times = np.arange(int(clip.end_s * 20)) / 20
    upright, pixels = clip.joints_at(times), clip.pixels_at(times)
    joints = np.full((len(times), len(NAMES), 2), np.nan, np.float32)
    own = np.full((len(times), len(NAMES), 3), np.nan, np.float32)
    middle = upright[:, [1, 2]].mean(1, keepdims=True)
    seen = np.einsum("tij,tkj->tki", clip.rotation_at(times), world(upright - middle))
    for name in LIMBS:
        joints[:, NAMES.index(name)] = pixels[:, JOINT[name]] + noise_px
        own[:, NAMES.index(name)] = seen[:, JOINT[name]]
    confidence = np.isfinite(joints).all(-1).astype(np.float32)
    confidence[:, [NAMES.index(name) for name in hidden]] = 0.0
    pose = Pose2D("mediapipe33", joints, confidence, times, (320, 240))
    track = PersonTrack(pose, 0, len(times), own)
    path = CameraPath(times, np.zeros((len(times), 4)), 0.75, moved=False)
    return ObservedClip(
        VideoInfo(clip.video, "0" * 64, 1, 320, 240, 0, 25.0, None, 149, clip.end_s, "opencv"),
        people=[Person(0, 0, track, Choice(0, 0.5, "the only one"), path)],
    )


def turned(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return lambda joints: joints @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T + [3.0, 0.5, -2.0]


def as_they_are(figures):
    """Without those for which joints are moved to another definition."""
    return [value for name, value in figures.items() if not name.startswith("body_")]


@pytest.mark.parametrize("degrees", [0, 77, 200])
def test_a_label_that_is_the_truth_has_no_error_wherever_it_stands_and_faces(clip, degrees):
    result = FakeResult([label_of(clip, change=turned(degrees))])
    got = measure_labels(clip, result, observed(clip))
    assert max(as_they_are(got.figures)) < 1e-3
    assert got.labelled == 60
    assert got.coverage == pytest.approx(60 / 119)


def test_each_kind_of_error_shows_in_its_own_figure(clip):
    def figures(change):
        result = FakeResult([label_of(clip, change=change)])
        return measure_labels(clip, result, observed(clip)).figures

    large = figures(lambda j: j * 1.1)
    assert large["scale"] == pytest.approx(10)
    assert large["pa_22"] < 1e-3 < 10 < large["mpjpe_22"]
    drift = np.linspace(0, 1, 60)[:, None, None] * [1.0, 0, 0]
    slid = figures(lambda j: j + drift)
    assert slid["root_path"] == pytest.approx(254, abs=3)  # mean of |x - 1/2| is a quarter
    assert slid["mpjpe_22"] < 1e-3
    lying = figures(lambda j: np.stack([j[..., 0], -j[..., 2], j[..., 1]], -1))
    assert lying["pa_12"] < 1e-3 and lying["mpjpe_12"] > 200  # a turn about Y does not hide it
    mirrored = figures(lambda j: j * [-1.0, 1, 1])
    assert mirrored["pa_12"] > 20


def test_motions_of_nobody_are_ghosts_and_no_frame_counts_twice(clip):
    far = label_of(clip, shift_px=200.0)
    near, again = label_of(clip, frames=40), label_of(clip, start_s=1.0, shift_px=4.0)
    got = measure_labels(clip, FakeResult([far, again, near]), observed(clip))
    assert (got.ghosts, got.labelled) == (1, 80)
    alone = measure_labels(clip, FakeResult([far]), observed(clip))
    assert (alone.reason, alone.labelled, alone.figures) == ("ghost", 0, {})
    failed = measure_labels(clip, FakeResult([], Reason.NO_PERSON), observed(clip))
    assert failed.reason == "no_person"


def test_the_backends_own_3d_is_put_upright_by_the_camera(clip):
    right = measure_other(clip, observed(clip))
    assert max(as_they_are(right.figures)) < 0.1
    wrong = measure_other(clip, observed(clip, world=lambda j: j * [-1.0, 1, 1]))
    assert wrong.figures["pa_12"] > 20
    assert measure_other(clip, ObservedClip(reason=Reason.NO_PERSON)).reason == "no_person"


def test_both_are_measured_on_the_frames_that_both_have(clip):
    seen = observed(
        clip, world=lambda j: j * np.linspace(1, 1.5, len(j))[:, None, None] ** [1, 0, 0]
    )
    result = FakeResult([label_of(clip, start_s=2.0, frames=30)])
    figures = measure_labels(clip, result, seen).figures
    label, other, change = (figures[name] for name in SAME_FRAMES)
    assert label < 1e-3 and change == pytest.approx(label - other)
    assert 0 < other != pytest.approx(measure_other(clip, seen).figures["pa_12"], rel=0.01)


def test_weights_find_the_other_definition_and_hold_wherever_the_body_stands():
    rng = np.random.default_rng(0)
    known = rng.normal(size=(300, 5, 3))
    true = np.eye(5) + 0.1 * rng.normal(size=(5, 5))
    true /= true.sum(1, keepdims=True)
    body = np.einsum("jk,tkx->tjx", true, known)
    assert np.allclose(fit_weights(known, body, 1e-9), true, atol=1e-5)
    held = fit_weights(known, body, 1e6)
    assert np.allclose(held, np.eye(5), atol=1e-3)  # nothing learnt: every joint where it is
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = fit_weights(known @ turn + [1.0, 2.0, 3.0], body @ turn + [1.0, 2.0, 3.0], 1e-9)
    assert np.allclose(moved, true, atol=1e-5)


def test_the_shipped_weights_are_whole_and_treat_both_sides_alike(clip):
    found = load_body_joints()
    for name, size in (("label", 22), ("mediapipe33", 12)):
        weights = found.weights[name]
        assert weights.shape == (size, size)
        assert np.allclose(weights.sum(1), 1.0, atol=0.002)
        joints = clip.joints_at(clip.times[:20])[:, :size]
        shifted = found.apply(name, turned(50)(joints))
        assert np.abs(shifted - turned(50)(found.apply(name, joints))).max() < 0.01
    flip = np.ix_(HUMANML3D.mirror_order, HUMANML3D.mirror_order)
    assert np.abs(found.weights["label"][flip] - found.weights["label"]).max() < 0.01
    assert found.apply("coco17", np.zeros((1, 17, 3))) is None
    hips = found.apply("label", body_at_rest())[0, [1, 2], 0]
    assert hips[0] - hips[1] > 0.18  # of the captured skeleton 0.13


def body_at_rest():
    offsets = HUMANML3D.raw_offset_array * np.asarray(HUMANML3D.canonical_lengths)[:, None]
    joints = np.zeros((1, 22, 3))
    for parent, joint in HUMANML3D.bones:
        joints[0, joint] = joints[0, parent] + offsets[joint]
    joints[0, [1, 2]] = [[0.065, -0.08, 0.0], [-0.065, -0.08, 0.0]]
    return joints


def test_damaged_weights_are_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(body_joints, "FILE", tmp_path / "w.json")
    (tmp_path / "w.json").write_text('{"weights": {}}')
    with pytest.raises(ValueError, match="is damaged: install the package again"):
        load_body_joints.__wrapped__()


def test_2d_errors_count_what_was_not_seen(clip):
    exact = measure_view(clip, observed(clip))
    assert exact["pck_12"] == 100 and exact["px_12"] < 1e-3
    blind = measure_view(clip, observed(clip, hidden=[n for n in LIMBS if "left" in n]))
    assert blind["pck_12"] == pytest.approx(50) and blind["px_12"] < 1e-3
    off = measure_view(clip, observed(clip, noise_px=3.0))
    assert off["px_12"] == pytest.approx(3 * 2**0.5, rel=1e-3)
    assert measure_view(clip, observed(clip, noise_px=60.0))["pck_12"] == 0
    assert measure_view(clip, ObservedClip()) == {}


def test_what_was_seen_survives_its_file(clip, tmp_path):
    before = observed(clip, hidden=["left_hip"])
    save_observed(before, tmp_path / "seen.npz")
    after = load_observed(tmp_path / "seen.npz")
    one, other = before.people[0], after.people[0]
    assert after.info == before.info and other.choice == one.choice
    for name in ("joints", "confidence", "times"):
        a, b = getattr(one.track.pose, name), getattr(other.track.pose, name)
        assert np.array_equal(a, b, equal_nan=True), name
    assert np.array_equal(one.track.world, other.track.world, equal_nan=True)
    assert other.camera.quality == 0.75 and (other.camera.similarity == 0).all()
    save_observed(ObservedClip(reason=Reason.NO_PERSON, detail="nobody"), tmp_path / "none.npz")
    nobody = load_observed(tmp_path / "none.npz")
    assert (nobody.reason, nobody.detail, nobody.people) == (Reason.NO_PERSON, "nobody", [])


def test_a_damaged_file_of_what_was_seen_is_looked_at_again(clip, tmp_path):
    path = tmp_path / "seen.npz"
    save_observed(observed(clip), path)
    path.write_bytes(path.read_bytes()[:400])
    assert load_observed(path) is None
    assert load_observed(tmp_path / "missing.npz") is None


def test_what_was_seen_is_kept_by_file_settings_and_code(clip, tmp_path, monkeypatch):
    asked = {"people": "one", "camera": True}
    name = observation_name(clip.video, asked)
    assert observation_name(clip.video, dict(asked)) == name
    assert observation_name(clip.video, {**asked, "camera": False}) != name
    copy = tmp_path / clip.video.name
    copy.write_bytes(clip.video.read_bytes() + b"0")
    assert observation_name(copy, asked) != name
    code = tmp_path / "code.py"
    code.write_text("")
    monkeypatch.setattr("models.evaluation.observed_files._sources", lambda: [code])
    assert observation_name(clip.video, asked) != name


def test_variants_are_the_options_alone_and_all_together():
    assert variant_config("paper") == LabelConfig()
    assert variant_config("camera") == LabelConfig(camera=True)
    wild, less = variant_config("wild"), variant_config("wild-without-camera")
    assert wild.camera and wild.people == "one" and not wild.score
    assert less == dataclasses.replace(wild, camera=False)
    everybody = variant_config("wild-with-people")
    assert everybody == dataclasses.replace(wild, people="all")
    assert list(variants_of(["wild"])) == ["paper", "wild"]
    assert len(variants_of(DEFAULT)) == len(DEFAULT)
    for name in (
        "",
        "best",
        "wild-without-",
        "wild-without-one-euro",
        "wild-without-people",
        "wild-with-",
    ):
        with pytest.raises(ValueError, match="there is no variant"):
            variant_config(name)


def measured(value, reason=""):
    figures = {} if reason else {"pa_12": value, "same_label": value, "same_other": 80.0,
                                 "same_change": value - 80.0}  # fmt: skip
    return ClipMeasures(figures, 100, 0 if reason else 90, 0, reason)


def test_the_report_counts_missing_labels_and_compares_clip_by_clip(clip):
    clips = [dataclasses.replace(clip, video=Path(f"v{i}.avi"), camera="pan" if i else "static")
             for i in range(3)]  # fmt: skip
    found = {
        ("packaged", "paper"): {"v0": measured(60.0), "v1": measured(80.0), "v2": measured(100.0)},
        ("packaged", "wild"): {"v0": measured(50.0), "v1": measured(60.0),
                               "v2": measured(0, "no_person")},
    }  # fmt: skip
    views = {("packaged", "one"): {"v0": {"px_12": 2.0}, "v1": {"px_12": 4.0}, "v2": {}}}
    report = summarise(clips, found, views, "paper")
    wild = report.labels[1]
    assert (wild.clips, wild.failed, wild.scores["pa_12"].mean) == (3, 1, 55.0)
    assert wild.scores["coverage"].mean == pytest.approx(0.6)  # the missing clip is in this mean
    (change,) = report.changes
    assert (change.clips, change.scores["pa_12"].mean) == (2, -15.0)
    assert report.gains["packaged, wild"] == pytest.approx(1 - 55 / 80)
    assert report.failures["packaged, wild"] == {"no_person": 1}
    assert "1 of 3 clips have no label of wild" in report.warnings[0]
    pan = next(r for r in report.groups if r.group == "camera: pan" and r.maker == "wild")
    assert (pan.clips, pan.failed, pan.scores["pa_12"].mean) == (2, 1, 60.0)
    assert report.views[0].failed == 1
    json.dumps(report.to_json(), allow_nan=False)
    assert len(synthetic_sections(report)) == 4
    assert any("55.0 against 80.0 mm (gain 31%)" in line for line in synthetic_lines(report))


def test_clips_without_truth_or_with_a_broken_one_are_said_in_a_sentence(clip, tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        find_truth_clips(tmp_path / "none")
    (tmp_path / "a.avi").write_bytes(clip.video.read_bytes())
    with pytest.raises(ValueError, match="holds no clip"):
        find_truth_clips(tmp_path)
    truth = clip.video.with_suffix(".truth.npz").read_bytes()
    (tmp_path / "a.truth.npz").write_bytes(truth[:500])
    with pytest.raises(ValueError, match="render it again"):
        find_truth_clips(tmp_path)
    with np.load(clip.video.with_suffix(".truth.npz"), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    for change in ({"joints2d_px": arrays["joints2d_px"][:5]}, {"R": arrays["R"] * np.nan}):
        np.savez(tmp_path / "a.truth.npz", **{**arrays, **change})
        with pytest.raises(ValueError, match="render it again"):
            find_truth_clips(tmp_path)
    with pytest.raises(ValueError, match="--limit"):
        at_even_distances([clip], 0)


def test_one_look_serves_all_variants_of_the_same_people(clip, monkeypatch, tmp_path):
    looked, labelled = [], []

    class Estimator:
        estimator_id = "perfect"

    def look(path, estimator, config):
        looked.append((path.name, config.people, config.camera))
        return observed(clip)

    def label(seen, checkpoint, config):
        labelled.append((config.camera, seen.people[0].camera is not None))
        return FakeResult([label_of(clip)])

    monkeypatch.setattr(synthetic, "observe_clip", look)
    monkeypatch.setattr(synthetic, "label_people", label)
    plan = synthetic.SyntheticPlan(("packaged",), variants_of(["camera", "people"]), tmp_path)
    for _ in range(2):
        report = synthetic.evaluate_synthetic(
            [clip], None, plan, lambda backend, people: Estimator(), lambda clips, what: clips
        )
    name = clip.video.name
    assert looked == [(name, "one", True), (name, "all", False)]  # the second time from the files
    assert labelled[:2] == [(False, False), (True, True)]  # who did not ask has no camera
    assert [row.maker for row in report.labels] == ["paper", "camera", "people", synthetic.OWN_3D]


def test_the_command_from_pixels_to_page(prefect_home, tmp_path):
    """One short clip, two ways to label it; again, and what was seen is not looked at anew."""
    source = SAMPLES / "JumpingJack"
    out = tmp_path / "report"
    asked = ["benchmark", "synthetic", "--clips", str(source), "--variants", "paper,camera",
             "--out", str(out), "--json"]  # fmt: skip
    done = cli_runs.run(prefect_home, *asked)
    assert done.status == 0, done.stderr
    rows = {row["maker"]: row for row in done.data["labels"]}
    assert 20 < rows["paper"]["pa_12"]["mean"] < 90
    assert 20 < rows[synthetic.OWN_3D]["pa_12"]["mean"] < 90
    assert rows["paper"]["coverage"]["mean"] > 0.9
    told = json.loads((out / "metrics.json").read_text())
    assert told["what"] == "synthetic"
    assert "PA-MPJPE 12" in (out / "report.html").read_text()
    assert len(list((out / "seen").glob("*.npz"))) == 1


def test_bad_arguments_get_one_sentence(prefect_home, tmp_path):
    done = cli_runs.run(prefect_home, "benchmark", "synthetic", "--clips", str(tmp_path / "none"))
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith("crossdiff: there is no folder")


def test_rendering_says_what_it_lacks(tmp_path, monkeypatch):
    asked = {"split": "test", "clips": 1, "seed": 1}
    monkeypatch.setattr(benchmark_render, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs anny and embreex: pip install"):
        benchmark_render.render_clips("store", tmp_path, **asked)
    monkeypatch.setattr(benchmark_render, "RENDERER", "no.such.renderer")
    with pytest.raises(ValueError, match="run this command from a checkout"):
        benchmark_render.render_clips("store", tmp_path, **asked)
