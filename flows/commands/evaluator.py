"""`crossdiff evaluator train` and `import`: the networks that scores are computed with."""

from pathlib import Path
from typing import Literal

from tyro.conf import FlagCreatePairsOff, Positional

from flows.commands.outcome import Outcome
from flows.names import split_names


def train(
    out: Path,
    data: str | None = None,
    part: tuple[Literal["all", "upper", "lower"], ...] = (),
    preset: Literal["small", "paper"] | None = None,
    glove: Path | None = None,
    datasets: tuple[str, ...] = (),
    steps: int | None = None,
    movement_steps: int | None = None,
    batch_size: int | None = None,
    loss: Literal["contrastive", "infonce"] | None = None,
    seed: int | None = None,
    validate_every: int | None = None,
    resume: FlagCreatePairsOff[bool] = False,
    device: str = "auto",
    json: bool = False,
) -> Outcome:
    """Train Guo et al.'s matching networks on prepared motions. Kill it at any time.

    First an autoencoder of short movements, then text and motion encoders that meet in one space.
    Scores compare only where the evaluator is the same.

    Args:
        out: Folder: OUT/all, OUT/upper and OUT/lower become evaluators.
        data: Store that `crossdiff prepare` wrote, URL or URL@version; --resume knows it.
        part: Whole body, upper body (FID-U), lower body (FID-L). Default: all three.
        preset: `paper` has the published sizes, loss and length (days on a GPU); `small` takes
            minutes on a CPU. Default: small.
        glove: Read words and parts of speech as published: the folder with our_vab_data.npy, or a
            glove.*.300d.txt. Default: the sentence embeddings that the data holds.
        datasets: Only these data sets of the store; default: all motion capture.
        steps: Steps of the text and motion encoders; default: the preset's.
        movement_steps: Steps of the movement autoencoder; default: the preset's.
        batch_size: Pairs a step; default: the preset's.
        loss: `contrastive` with a margin, as published, or `infonce` over the whole batch;
            default: the preset's.
        seed: Of weights, order and crops; default: the preset's.
        validate_every: Steps between two looks at the validation split; default: the preset's.
        resume: Continue the training in --out with the options it was begun with.
        device: auto, cpu, cuda or cuda:N.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.evaluators import EvaluatorOptions, train_evaluators  # noqa: PLC0415

    changes = {
        "steps": steps,
        "movement_steps": movement_steps,
        "batch_size": batch_size,
        "loss": loss,
        "seed": seed,
        "validate_every": validate_every,
    }
    result = train_evaluators(
        EvaluatorOptions(
            out, data, part, preset, glove, split_names(datasets), resume, device, changes
        )
    )
    lines = [f"{name}: {_words(found)}" for name, found in result["parts"].items()]
    return Outcome(result, [*lines, *result["remarks"]])


def import_published(
    weights: Positional[Path],
    /,
    out: Path,
    stats: Path | None = None,
    glove: Path | None = None,
    part: Literal["all", "upper", "lower"] | None = None,
    json: bool = False,
) -> Outcome:
    """Turn published matching networks (finest.tar) into an evaluator. Nothing in it is executed.

    Args:
        weights: The published file of text_mot_match.
        out: Folder: OUT/all, OUT/upper or OUT/lower becomes the evaluator.
        stats: Folder with the mean.npy and std.npy that the networks were trained with; default:
            what lies beside the file as in the published download.
        glove: Folder with our_vab_data.npy, or a glove.*.300d.txt; its vectors are kept with the
            evaluator. Without it only motions can be embedded.
        part: Check that the networks are this part's; their width tells.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.evaluators import import_evaluator  # noqa: PLC0415

    result = import_evaluator(weights, out, stats, glove, part)
    return Outcome(result, [f"{key}: {value}" for key, value in result.items() if value])


def _words(found: dict[str, object]) -> str:
    """A part's result on one line."""
    return ", ".join(f"{key} {_short(value)}" for key, value in found.items())


def _short(value: object) -> str:
    if isinstance(value, list):
        return " / ".join(f"{number:.3f}" for number in value)
    return str(value)
