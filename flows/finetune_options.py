"""What a finetuning is asked to do, and whether a rerun asks for the same."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from storage.location import locate, without_version

Preset = Literal["base", "paper"]
Quality = Literal["weight", "filter", "none", "score"]
Poor = Literal["2d", "drop"]
NOT_OF_THE_RUN = ("out", "gate", "resume", "max_minutes")
"""May differ when a finetuning is continued: they change no number."""
INFINITE = float("inf")
TRAINING = (
    "steps", "batch_size", "learning_rate", "seed", "precision", "log_every", "validate_every",
)  # fmt: skip
"""Fields of `TrainConfig` that `changes` may set."""


class TooLittle(ValueError):  # noqa: N818 - named as the situation it reports
    """Too few motions to train on and to judge by: more of them may come."""


@dataclass(frozen=True)
class FinetuneOptions:
    """The command line's options; see `crossdiff finetune --help`."""

    out: Path
    data: str | None = None
    """Motion capture: store URL or `URL@version`."""
    wild: str | None = None
    """Motions from video: store URL or `URL@version`."""
    checkpoint: Path | None = None
    """The parent; a folder with `promoted.json` stands for the checkpoint that it names."""
    actions: tuple[str, ...] = ()
    captions: Path | None = None
    wild_ratio: float = 0.5
    seen_weight: float = 0.0
    """Of the distance between the lift of clips and what was seen of them; not in the paper."""
    preset: Preset = "base"
    quality: Quality = "weight"
    max_reprojection: float | None = None
    """Metres."""
    min_score: float | None = None
    """0..1, of labels that count by their score."""
    poor: Poor = "2d"
    only_2d: bool = False
    holdout: float | None = 0.25
    """Share of each class's recordings; None: the stored splits."""
    datasets: tuple[str, ...] = ()
    wild_datasets: tuple[str, ...] = ()
    text_encoder: Path | None = None
    models: Path | None = None
    """Where the pointer lies; None: the folder that `out` is in."""
    tolerance: float = 0.02
    """By what share the figures on motion capture may get worse."""
    certain: bool = False
    """Only an improvement whose 95 % interval excludes 0 is one."""
    gate: bool = True
    resume: bool = False
    max_minutes: float | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Some of `TRAINING`, None where not given."""

    @property
    def pointer(self) -> Path:
        """Folder of the pointer."""
        return self.out.absolute().parent if self.models is None else self.models


def check(options: FinetuneOptions) -> None:
    """Refuse what can be seen to be wrong before anything is read.

    Raises:
        ValueError: The sentence names the option.
    """
    for wrong, sentence in _rules(options):
        if wrong:
            raise ValueError(sentence)


def _rules(o: FinetuneOptions) -> list[tuple[bool, str]]:
    limit, minutes = o.max_reprojection, o.max_minutes
    unknown = sorted(set(o.changes).difference(TRAINING))
    return [
        (
            not 0.0 < o.wild_ratio <= 1.0,  # nan too
            f"--wild-ratio {o.wild_ratio}: give the share of a batch, above 0 and at most 1",
        ),
        (
            not 0.0 <= o.seen_weight < INFINITE,  # nan too
            f"--seen-weight {o.seen_weight}: give the weight of the loss, 0 or more, e.g. 0.1",
        ),
        (
            o.holdout is not None and not 0.0 < o.holdout < 1.0,
            f"--holdout {o.holdout}: give the share of the recordings to hold out, between 0 and 1",
        ),
        (
            limit is not None and not 0.0 < limit < INFINITE,
            f"--max-reprojection {limit}: give a distance in metres above 0",
        ),
        (
            limit is not None and o.quality == "none",
            "--max-reprojection says which labels are poor, and --quality none takes them all: "
            "leave out one of the two",
        ),
        (
            o.min_score is not None and not 0.0 <= o.min_score <= 1.0,  # nan too
            f"--min-score {o.min_score}: give the lowest score of a label, 0 to 1",
        ),
        (
            o.min_score is not None and o.quality != "score",
            f"--min-score needs --quality score: with --quality {o.quality} no score counts",
        ),
        (
            o.poor == "drop" and o.quality != "filter" and o.min_score is None,
            "--poor drop needs --quality filter, or --quality score with --min-score: with "
            f"--quality {o.quality} alone no label is poor",
        ),
        (
            o.only_2d and bool(o.seen_weight or limit or o.quality in ("filter", "score")),
            "--only-2d uses no 3D label: leave out --quality filter and score, --max-reprojection "
            "and --seen-weight, which are about labelled clips",
        ),
        (
            not 0.0 <= o.tolerance < 1.0,
            f"--tolerance {o.tolerance}: give the share by which motion capture may get worse, "
            "e.g. 0.02",
        ),
        (
            minutes is not None and not minutes >= 0.0,
            f"--max-minutes {minutes}: give the minutes after which to stop",
        ),
        (bool(unknown), f"a finetuning has no option {', '.join(unknown)}"),
    ]


def plain(options: FinetuneOptions) -> dict[str, Any]:
    """What the run depends on, as JSON holds it."""
    told = {name: v for name, v in asdict(options).items() if name not in NOT_OF_THE_RUN}
    told["changes"] = {name: v for name, v in options.changes.items() if v is not None}
    return {name: _plain(value) for name, value in told.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any option
    if isinstance(value, Path):
        return str(value.absolute())
    return list(value) if isinstance(value, tuple) else value


def begun_options(told: Mapping[str, Any], asked: FinetuneOptions) -> FinetuneOptions:
    """The options that the run in `asked.out` was begun with, which `asked` must not contradict.

    With `resume` an option that is left at its default was not asked for.

    Args:
        told: From `plain`.
        asked: What is asked for now.

    Raises:
        ValueError: Something else is asked for; it is named.
    """
    unasked = plain(FinetuneOptions(asked.out))
    told = {**unasked, **told}  # an option that is younger than the run
    begun, now, default = _flags(told), _flags(plain(asked)), _flags(unasked)
    differing = [
        f"{_flag(name)} {begun.get(name)}, not {now.get(name)}"
        for name in sorted(begun.keys() | now)
        if begun.get(name) != now.get(name)
        and not (asked.resume and now.get(name) == default.get(name))
    ]
    if differing:
        raise ValueError(
            f"the finetuning in {asked.out} was begun with {'; '.join(differing)}: give the same "
            "options, --resume alone, or choose another --out"
        )
    return replace(asked, **{name: _typed(name, value) for name, value in told.items()})


def _flags(told: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, option by option."""
    return {name: v for name, v in {**told, **told["changes"]}.items() if name != "changes"}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


_KINDS = {each.name: str(each.type) for each in fields(FinetuneOptions)}


def _typed(name: str, value: Any) -> Any:  # noqa: ANN401 - any option
    if value is not None and "Path" in _KINDS[name]:
        return Path(value)
    return tuple(value) if isinstance(value, list) else value


def at_version(url: str, version: int | None) -> str:
    """The URL, absolute, at a version; as it is where there is none: a plain file of motions."""
    root = locate(without_version(url)).root
    return root if version is None else f"{root}@{version}"
