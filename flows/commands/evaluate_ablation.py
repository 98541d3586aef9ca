"""`crossdiff evaluate ablation`."""

from pathlib import Path
from typing import Literal

from flows.commands.outcome import Outcome
from flows.names import split_names

Row = Literal["half", "full", "half-2d", "crossdiff", "unshared", "front"]
ALL_ROWS: tuple[Row, ...] = ("half", "full", "half-2d", "crossdiff", "unshared", "front")


def ablation(
    data: str,
    out: Path,
    preset: Literal["tiny", "small", "base", "paper"] = "tiny",
    steps: int | None = None,
    batch_size: int | None = None,
    seeds: int = 3,
    rows: tuple[Row, ...] = ALL_ROWS,
    stage_2: bool = True,
    datasets: tuple[str, ...] = (),
    evaluators: Path | None = None,
    samples: int | None = None,
    replications: int = 3,
    pool: int = 32,
    all_lengths: bool = False,
    sampling_steps: int = 20,
    guidance: float = 2.5,
    device: str = "auto",
    json: bool = False,
) -> Outcome:
    """Train and score the paper's ablation rows on the same data and budget, with several seeds.

    Kill it at any time: the same command goes on, and trains nothing twice. One seed of every row
    is trained before the next seed; more seeds and rows may be asked for later.

    Args:
        data: Store that `crossdiff prepare` wrote, URL or URL@version; or a folder with a snapshot.
        out: Folder of all runs, of the drawn motions, report.html and metrics.json.
        preset: Sizes and rates; `tiny` is for a CPU. Its additions to the paper's objective are
            left out in every row.
        steps: Optimizer steps of Stage I; default: the preset's. Stage II takes half as many.
        batch_size: Clips a step; default: the preset's.
        seeds: Trainings of each row, with seeds 1, 2, ...
        rows: half: 50 % 3D; full: 100 % 3D; half-2d: 50 % 3D + 100 % 2D; crossdiff: all of both;
            unshared: no shared encoder; front: front view only.
        stage_2: Follow Stage I by Stage II, as the paper does.
        datasets: Only these data sets of the store; default: all motion capture.
        evaluators: Folder with the matching networks all/, upper/, lower/; default: those that come
            with the package.
        samples: Score on at most so many motions of the test split; default: all.
        replications: How often each run's motions are drawn anew.
        pool: Motions among which R-Precision looks for a caption's own.
        all_lengths: Score motions of any length. Default: those of 40 to 199 rows (KIT-ML: 24 to
            199), as published; the others are counted in a warning.
        sampling_steps: Denoising steps of a drawn motion, 1 to 1000.
        guidance: How much the text is stressed: 1 is none, 0 ignores the text.
        device: auto, cpu, cuda or cuda:N. Training takes the first GPU, or with cpu none.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.ablation import AblationOptions, run_ablation  # noqa: PLC0415
    from flows.evaluation_page.ablation_section import report_lines  # noqa: PLC0415
    from flows.publish import written_lines  # noqa: PLC0415
    from models.evaluation.plan import EvaluationPlan  # noqa: PLC0415
    from models.generate.sampling import SampleSettings, default_sampler  # noqa: PLC0415

    sampler = default_sampler(sampling_steps)
    plan = EvaluationPlan(
        replications=replications,
        samples=samples,
        pool=pool,
        all_lengths=all_lengths,
        multimodality_texts=0,
        settings=SampleSettings(guidance=guidance, steps=sampling_steps, sampler=sampler),
    )
    report, published = run_ablation(
        AblationOptions(
            data=data,
            out=out,
            plan=plan,
            preset=preset,
            steps=steps,
            batch_size=batch_size,
            seeds=seeds,
            rows=rows,
            stage_2=stage_2,
            datasets=split_names(datasets),
            evaluators=evaluators,
            device=device,
        )
    )
    lines = [*report_lines(report), "", *written_lines(published)]
    return Outcome({**report.to_json(), **published}, lines)
