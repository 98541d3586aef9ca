"""`crossdiff evaluate` as a user runs it: one real run, and what wrong arguments are told."""

import dataclasses
import json
from pathlib import Path

import cli_runs
import pytest
from evaluation_parts import captioned, same_embeddings
from evaluator_folders import save_evaluators
from tiny_generator import tiny_checkpoint

import flows.evaluate
from flows.cli import main
from flows.evaluation_page.text_section import Told, text_page
from flows.one_at_a_time import one_at_a_time
from models.checkpoint import save_checkpoint
from models.data.training_data import write_motions
from models.evaluation.contestants import contestant, texts_for_evaluator
from models.evaluation.items import choose_items
from models.evaluation.paper_figures import PAPER
from models.evaluation.plan import EvaluationPlan
from models.evaluation.text_to_motion import evaluate_text_to_motion
from models.generate.sampling import SampleSettings
from models.matching.evaluator import load_evaluators
from pipeline.skeletons import HUMANML3D, KIT, Skeleton

ENCODER, TEXT_DIM = "tests-encoder", 8
TOLD = Told("data", None, (), "test", "cpu", False, False, "", "0")


def checkpoint_in(folder: Path, skeleton: Skeleton = HUMANML3D) -> Path:
    made = tiny_checkpoint(skeleton, TEXT_DIM)
    save_checkpoint(
        folder, made.network, made.statistics, skeleton, masks_padding=True,
        about={"text_encoder": ENCODER},
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Data in a plain file, two checkpoints, evaluators."""
    folder = tmp_path_factory.mktemp("evaluate")
    motions = same_embeddings(captioned(36))
    short = dataclasses.replace(
        motions[0],
        motion_id="short",
        joints=motions[0].joints[:31],
        features=motions[0].features[:30],
    )
    motions += [short]
    motions += [
        dataclasses.replace(m, motion_id=f"v{m.motion_id}", split="val") for m in motions[:5]
    ]
    write_motions(motions, folder / "data.parquet", ENCODER)
    checkpoint_in(folder / "one" / "best")
    checkpoint_in(folder / "two" / "best")
    save_evaluators(folder / "evaluators", ENCODER)
    return folder


def arguments(place: Path, out: Path, *more: str) -> list[str]:
    return [
        "evaluate", "--data", str(place / "data.parquet"), "--out", str(out),
        "--checkpoint", str(place / "one" / "best"), "--evaluators", str(place / "evaluators"),
        "--replications", "2", "--multimodality-texts", "1", "--steps", "1", "--device", "cpu",
        *more,
    ]  # fmt: skip


def test_a_run_writes_a_report_and_says_how_its_scores_were_made(place, tmp_path, prefect_home):
    done = cli_runs.run(
        prefect_home,
        *arguments(place, tmp_path / "out", "--compare", str(place / "two" / "best"), "--json"),
    )
    assert done.status == 0, done.stderr
    rows = done.data["rows"]
    assert [row["label"] for row in rows] == ["ground truth", "one/best", "two/best"]
    assert rows[1]["scores"] == rows[2]["scores"]  # the same weights, on the same draws
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert written["metrics"]["rows"] == rows
    assert written["run_id"] == done.data["run_id"]
    facts = written["facts"]
    assert facts["pool size"] == "32"
    assert facts["motions"] == "n = 36 of 37"
    assert facts["sampler"] == "dpm++, 1 steps"
    assert facts["table version"] == "none: a plain file"
    assert "the last, partial one (4 motions" in facts["last batch"]
    assert f"offline text encoder {ENCODER}: not comparable" in facts["text of the evaluators"]
    assert "shorter than 40 rows, as published" in written["warnings"][0]
    assert "replications: 2 instead of 20" in " ".join(written["warnings"])
    assert len(list((tmp_path / "out" / "samples").rglob("*.safetensors"))) == 6
    page = (tmp_path / "out" / "report.html").read_text()
    assert "FID-U" in page
    assert "motion 3 waves" in page or "walks" in page


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--split", "train"], "the split train has no motion: choose another with --split"),
        (["--split", "val"], "in pools of 32 needs 32 motions, the split val has 5"),
        (["--split", "dev"], "--split dev: give train, val, test"),
        (["--pool", "40"], "needs 40 motions, the split test has 36 that can be scored"),
        (["--all-lengths", "--pool", "40"], "has 37 that can be scored"),
        (["--quick", "--pool", "200"], "128 samples do not fill one pool of 200"),
        (["--seed", "-1"], "seed must be at least 0"),
        (["--steps", "0"], "steps must be 1 to 1000"),
        (["--evaluators", "nowhere"], "no evaluator in nowhere"),
        (["--checkpoint", "nowhere"], "nowhere is not a checkpoint folder"),
        (["--data", "nowhere"], "nowhere"),
        (["--bf16"], "--bf16 computes on a CUDA GPU only, and this runs on cpu"),
        (["--device", "tpu"], "--device tpu: give auto, cpu, cuda"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_told_in_a_sentence_before_anything_runs(
    place, tmp_path, capsys, more, says
):
    assert main(arguments(place, tmp_path / "out", *more)) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_two_evaluations_in_one_folder_are_told_apart(place, tmp_path, capsys):
    out = tmp_path / "out"
    with one_at_a_time(out, "an evaluation"):
        assert main(arguments(place, out)) == 2
    said = capsys.readouterr().err
    assert f"an evaluation is running in {out}: wait for it, or choose another --out" in said
    assert len(said.strip().splitlines()) == 1
    assert [path.name for path in out.iterdir()] in ([], [".lock"])


def test_motions_that_another_commit_drew_are_not_read(monkeypatch):
    origins = set()
    for commit in (None, "aa", "aa-dirty", "bb"):
        monkeypatch.setattr(flows.evaluate, "code_commit", lambda commit=commit: commit)
        origins.add(flows.evaluate.drawn_by())
    assert len(origins) == 4


def test_parts_of_another_skeleton_or_encoder_are_told(place, tmp_path, capsys):
    kit = checkpoint_in(tmp_path / "kit", KIT)
    assert main(arguments(place, tmp_path / "out", "--compare", str(kit))) == 2
    assert "is made for kitml21 (251 numbers a row), the data are humanml3d22" in (
        capsys.readouterr().err
    )
    other = save_evaluators(tmp_path / "kit_evaluators", ENCODER, skeleton=KIT)
    assert main(arguments(place, tmp_path / "out", "--evaluators", str(other))) == 2
    assert "is made for kitml21" in capsys.readouterr().err
    clip = save_evaluators(tmp_path / "clip", "clip-text-12ab")
    assert main(arguments(place, tmp_path / "out", "--evaluators", str(clip))) == 2
    assert "reads embeddings of clip-text-12ab, the data hold tests-encoder" in (
        capsys.readouterr().err
    )


# The page


@pytest.fixture(scope="module")
def kit_report(tmp_path_factory):
    """KIT-ML from end to end: its motions, network and evaluators, in pools of 8."""
    folder = save_evaluators(
        tmp_path_factory.mktemp("kit"), ENCODER, skeleton=KIT, parts=("all", "lower")
    )
    evaluators = load_evaluators(folder)
    plan = EvaluationPlan(
        replications=2, pool=8, multimodality_texts=1, settings=SampleSettings(steps=1)
    )
    items = choose_items(same_embeddings(captioned(17, KIT)), KIT, plan)
    texts = texts_for_evaluator(items, evaluators["all"], ENCODER)
    made = tiny_checkpoint(KIT, TEXT_DIM)
    made.about["text_encoder"] = ENCODER
    entry = contestant("<b>tiny</b>", made, items, ENCODER)
    return evaluate_text_to_motion(items, texts, [entry], evaluators, plan)


def test_a_page_has_every_score_physical_figure_motion_and_second(kit_report):
    page = text_page(kit_report, TOLD, KIT.fps)
    scores, physical, motions, seconds = page.sections
    labels = [column.label for column in scores.tables[0].columns]
    assert labels[1:] == [
        "R@1",
        "R@2",
        "R@3",
        "FID",
        "FID-L",
        "MM Dist",
        "Diversity",
        "MultiModality",
    ]
    assert scores.tables[0].unranked == {0}
    assert [chart.title for chart in scores.charts] == labels[1:]
    assert len(physical.tables[0].rows) == 2
    assert [clip.label for clip in motions.scenes[0].clips] == ["ground truth", "<b>tiny</b>"]
    assert {clip.fps for scene in motions.scenes for clip in scene.clips} == {12.5}
    assert dict(seconds.tables[0].rows)["draw <b>tiny</b>"] > 0
    assert dict(page.facts)["protocol"].startswith("not the published one")
    assert "no FID-U" in " ".join(page.warnings)


def test_a_quick_look_is_called_one(kit_report):
    page = text_page(kit_report, dataclasses.replace(TOLD, quick=True), KIT.fps)
    assert dict(page.facts)["protocol"] == "quick: not the published one"
    assert page.warnings[0].startswith("a quick look (--quick)")


def test_published_settings_are_never_called_published_alone(kit_report):
    limits = dataclasses.replace(kit_report.limits, departures=())
    page = text_page(dataclasses.replace(kit_report, limits=limits), TOLD, KIT.fps)
    told = dict(page.facts)["protocol"]
    assert told.startswith("published settings; differs in: a motion's first whole units")
    assert "not the published networks" in told
    assert "at equal n chance gives about half of it" in str(page.facts)


def test_the_papers_figures_stand_only_beside_networks_that_may_be_the_published(kit_report):
    assert len(text_page(kit_report, TOLD, KIT.fps).sections[0].tables) == 1
    file = "finest.tar, SHA-256 00ff"
    imported = dataclasses.replace(kit_report, imported_networks={"all": file}, text_source="glove")
    page = text_page(imported, TOLD, KIT.fps)
    assert f"imported, not verified (all: {file})" in dict(page.facts)["text of the evaluators"]
    ours, theirs = page.sections[0].tables
    assert "not verified" in theirs.title and file in theirs.note
    assert ours.columns[0].label == "motions"
    names = [column.label for column in theirs.columns]
    assert dict(zip(names, theirs.rows[0], strict=True))["FID-U"] == 0.434
    assert len(PAPER[HUMANML3D.name]) == 5
