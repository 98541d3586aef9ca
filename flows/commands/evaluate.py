"""`crossdiff evaluate`: text to motion."""

from pathlib import Path
from typing import Literal

from flows.commands.outcome import Outcome
from flows.names import split_names


def evaluate(
    data: str,
    out: Path,
    checkpoint: Path | None = None,
    compare: tuple[Path, ...] = (),
    evaluators: Path | None = None,
    split: str = "test",
    datasets: tuple[str, ...] = (),
    replications: int | None = None,
    samples: int | None = None,
    multimodality_texts: int | None = None,
    pool: int | None = None,
    all_lengths: bool = False,
    quick: bool = False,
    mode: Literal["3d", "mixture"] = "3d",
    alpha: int = 300,
    guidance: float = 2.5,
    steps: int | None = None,
    sampler: Literal["ddpm", "ddim", "dpm++"] | None = None,
    text_encoder: Path | None = None,
    seed: int = 1,
    bf16: bool = False,
    device: str = "auto",
    json: bool = False,
) -> Outcome:
    """Score text to motion beside the ground truth: R-Precision, FID, FID-U, FID-L, MM Dist, ...

    Writes report.html and metrics.json. Drawn motions are kept in OUT/samples: stopped or killed,
    the same command goes on. Other evaluations: `crossdiff evaluate lift` (2D to 3D), `evaluate
    wild` (labels of videos) and `evaluate ablation` (the paper's table), each with --help.

    Args:
        data: Store that `crossdiff prepare` wrote, URL or URL@version; or a folder with a snapshot.
        out: Folder to write.
        checkpoint: Checkpoint folder; default: the weights that come with the package.
        compare: More checkpoint folders, scored on the same motions, captions and seeds.
        evaluators: Folder with the matching networks all/, upper/, lower/; default: those that come
            with the package.
        split: train, val or test.
        datasets: Only these data sets of the store; default: all motion capture.
        replications: How often all is drawn anew; default: 20, as published; with --quick 3.
        samples: At most so many motions of the split, chosen by the seed; default: all; with
            --quick 128.
        multimodality_texts: Captions drawn 30 times each for MultiModality, 0 for none; default:
            100, as published; with --quick 10.
        pool: Motions among which R-Precision looks for a caption's own; default: 32, as published.
        all_lengths: Score motions of any length. Default: those of 40 to 199 rows (KIT-ML: 24 to
            199), as published; the others are counted in a warning.
        quick: A first look: 3 replications, 128 motions, 10 steps, 10 texts for MultiModality. The
            report says that this is not the published protocol.
        mode: 3d; or mixture: 2D first, 3D from timestep --alpha on.
        alpha: Timestep, 0 to 999, at which a mixture goes from 2D to 3D.
        guidance: How much the text is stressed: 1 is none, 0 ignores the text.
        steps: Denoising steps, 1 to 1000; default: 50; with --quick 10.
        sampler: Default: ddpm for 1000 steps, dpm++ for fewer.
        text_encoder: Weights of a checkpoint's text encoder, where it needs CLIP.
        seed: Of everything that is drawn.
        bf16: Compute in bfloat16 on a GPU: faster, a little less exact.
        device: auto, cpu, cuda or cuda:N.
        json: Print one JSON object on stdout instead of text.
    """
    from dataclasses import replace  # noqa: PLC0415

    from flows.evaluate import EvaluateOptions, run_evaluation  # noqa: PLC0415
    from flows.evaluation_page.text_section import score_lines  # noqa: PLC0415
    from flows.publish import written_lines  # noqa: PLC0415
    from models.evaluation.plan import QUICK, EvaluationPlan  # noqa: PLC0415
    from models.generate.sampling import SampleSettings, default_sampler  # noqa: PLC0415

    base = QUICK if quick else EvaluationPlan()
    given = {
        "replications": replications,
        "samples": samples,
        "multimodality_texts": multimodality_texts,
        "pool": pool,
    }
    count = base.settings.steps if steps is None else steps
    plan = replace(
        base,
        all_lengths=all_lengths,
        seed=seed,
        settings=SampleSettings(mode, alpha, guidance, count, sampler or default_sampler(count)),
        **{name: value for name, value in given.items() if value is not None},
    )
    report, published = run_evaluation(
        EvaluateOptions(
            data=data,
            out=out,
            plan=plan,
            checkpoint=checkpoint,
            compare=compare,
            evaluators=evaluators,
            split=split,
            datasets=split_names(datasets),
            text_encoder=text_encoder,
            device=device,
            bf16=bf16,
            quick=quick,
        )
    )
    label = ["quick look: not the published protocol"] if quick else []
    lines = [*label, *score_lines(report), "", *written_lines(published)]
    return Outcome({**report.to_json(), **published}, lines)
