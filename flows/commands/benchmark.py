"""`crossdiff benchmark`: errors from pixels on rendered clips with known 3D, and rendering them."""

from pathlib import Path

from flows.commands.outcome import Outcome
from flows.names import split_names


def synthetic(
    clips: Path,
    out: Path | None = None,
    checkpoint: Path | None = None,
    variants: tuple[str, ...] = (),
    backends: tuple[str, ...] = ("packaged",),
    pose_config: str | None = None,
    pose_checkpoint: Path | None = None,
    detector_config: str | None = None,
    detector_checkpoint: Path | None = None,
    limit: int | None = None,
    json: bool = False,
) -> Outcome:
    """Measure labels of rendered clips against their known 3D, beside the backend's own 3D.

    Per way to label, azimuth, action and camera: 2D error, MPJPE, PA-MPJPE, path of the root.
    Render clips with `crossdiff benchmark render`.

    Args:
        clips: Folder with rendered clips and their .truth.npz files.
        out: Folder for report.html and metrics.json; what was seen of the clips is kept there too,
            so that a second run is quick.
        checkpoint: Lifting checkpoint; default: the weights that come with the package.
        variants: Ways to label, separated by commas: paper, people, shots, camera, half-bodies,
            guesses, body-joints, flip, ensemble, refine, second-opinion, clean-up, one-euro (each
            alone), wild (the default of an ingest), wild-with-OPTION, wild-without-OPTION.
            Default: paper, people, camera, ensemble, refine, clean-up, wild.
        backends: 2D pose backends, separated by commas: packaged, mmpose.
        pose_config: mmpose config, by name or path.
        pose_checkpoint: mmpose weights (.pth), or the folder that `mim download` filled.
        detector_config: mmdet person detector config; without it the whole frame is one box.
        detector_checkpoint: mmdet weights (.pth).
        limit: Only so many clips, at even distances in the order of their names.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.benchmark_synthetic import SyntheticQuestion, run_synthetic  # noqa: PLC0415
    from flows.options import PoseOptions  # noqa: PLC0415

    files = (pose_config, pose_checkpoint, detector_config, detector_checkpoint)
    if any(file is not None for file in files) and "mmpose" not in split_names(backends):
        raise ValueError("configs and weights are mmpose's: add mmpose to --backends")
    pose = PoseOptions("mmpose", *files)
    asked = SyntheticQuestion(
        clips=clips,
        out=out,
        checkpoint=checkpoint,
        variants=split_names(variants),
        backends=split_names(backends),
        limit=limit,
        mmpose=pose.mmpose(),
    )
    result, lines = run_synthetic(asked)
    return Outcome(result, lines)


def render(
    data: str,
    out: Path,
    split: str = "test",
    clips: int = 24,
    seed: int = 1,
    json: bool = False,
) -> Outcome:
    """Render clips with known 3D from a store's motion capture; goes on where it was stopped.

    Needs a checkout of the project and the extra: pip install 'crossdiff[synthetic]'.

    Args:
        data: Store that `crossdiff prepare mocap` wrote.
        out: Folder for the clips, their truth and manifest.csv.
        split: train, val or test: whose motions are shown.
        clips: How many; the first ones are the same whatever the number.
        seed: Of everything that is drawn.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.benchmark_render import render_clips  # noqa: PLC0415

    result, lines = render_clips(data, out, split=split, clips=clips, seed=seed)
    return Outcome(result, lines)
