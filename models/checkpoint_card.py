"""A checkpoint's card: what its config.json says, for people and for model hubs.

Markdown with a YAML head, as Hugging Face's hub reads it. Only what was recorded is told.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

CARD_FILE = "README.md"
MARK = "<!-- Written from config.json. Without this line the card is yours and stays as it is. -->"
_USES = {
    "1": "trained on all four paths (3D to 3D, 2D to 3D, 3D to 2D, 2D to 2D), for lifting 2D and "
    "for text to motion in 3D, in 2D, or as a mixture of both",
    "2": "trained on text to motion in 3D alone; its 2D parts are those of Stage I, but the "
    "shared layers between them have changed",
    "only 3D": "trained on text to motion in 3D alone; its 2D parts were never trained",
}
"""What the training was for, by stage."""
_SIZES = ("width", "feed_forward", "root_feed_forward", "heads", "private_layers", "shared_layers",
          "root_layers", "text_dim", "max_frames")  # fmt: skip
_TOLD = {"step", "train", "validation", "sources", "data", "license", "text_encoder",
         "imported_from", "left_out", "statistics"}  # fmt: skip
"""What the card has its own words for; any other plain fact in `about` is listed as it is."""
LICENCES = {
    "cmu": "CMU Graphics Lab Motion Capture Database, free for all uses, no resale of the data",
    "hdm05": "HDM05, CC BY-SA 3.0 Unported",
    "bandai": "Bandai-Namco-Research-Motiondataset, CC BY-NC 4.0 (non-commercial)",
    "humanml3d": "HumanML3D, whose motions keep AMASS's and HumanAct12's licences (non-commercial)",
}
"""By the name that `prepare` gives a data set."""


def write_card(folder: Path, config: Mapping[str, Any], parameters: int, *, replace: bool) -> None:
    """Write the card beside a checkpoint; one that a person wrote stays unless `replace`.

    Args:
        folder: The checkpoint.
        config: What is in its config.json.
        parameters: Of the network.
        replace: Also replace a card that was not written by this function.
    """
    file = folder / CARD_FILE
    if (
        file.exists()
        and not replace
        and MARK not in file.read_text(encoding="utf-8", errors="replace")
    ):
        return
    partial = folder / ".partial"
    partial.write_text(card_text(folder.resolve().name, config, parameters), encoding="utf-8")
    partial.replace(file)


def card_text(name: str, config: Mapping[str, Any], parameters: int) -> str:
    """The whole card.

    Args:
        name: Title.
        config: What is in config.json: `network`, `skeleton`, `masks_padding`, `about`.
        parameters: Of the network.
    """
    about = _mapping(config.get("about"))
    train = _mapping(about.get("train"))
    parts = [
        _front_matter(name, about),
        MARK,
        f"# {_plain(name)}",
        _introduction(config, about, train, parameters),
        _table(_facts(config, about, train)),
    ]
    validation = _mapping(about.get("validation"))
    if validation:
        parts += ["## Validation", _table((k, _number(v)) for k, v in validation.items())]
    if train:
        parts += ["## Training", _table((k, _number(v)) for k, v in _flat(train) if k != "steps")]
    return "\n\n".join(parts) + "\n"


def _introduction(
    config: Mapping[str, Any], about: Mapping[str, Any], train: Mapping[str, Any], parameters: int
) -> str:
    text = (
        "CrossDiff (Ren, Huang, Li, ECCV 2024, arXiv 2312.10993), "
        f"{parameters / 1e6:.2f} M parameters, skeleton {_plain(config.get('skeleton'))}."
    )
    stage = "only 3D" if train.get("only_3d") else str(train.get("stage"))
    if stage in _USES:
        text += f" Stage {_plain(train.get('stage'))}; {_USES[stage]}."
    if about.get("imported_from"):
        text += " Imported from published weights; what they can do is what their authors say."
    return text


def _facts(
    config: Mapping[str, Any], about: Mapping[str, Any], train: Mapping[str, Any]
) -> list[tuple[str, str]]:
    network = _mapping(config.get("network"))
    padding = "hidden from attention" if config.get("masks_padding") else "attended to"
    sizes = ", ".join(f"{size} {network[size]}" for size in _SIZES if size in network)
    data = _mapping(about.get("data"))
    rows = [
        ("network", f"{sizes}; padded frames {padding}"),
        ("steps", about.get("step")),
        ("stage", train.get("stage")),
        ("configuration", configuration_hash(train) if train else None),
        ("data sets", ", ".join(data_sets(about))),
        ("licences", "; ".join(_licences(data_sets(about)))),
        ("motions", _pairs(data.get("motions"))),
        ("read from", data.get("url")),
        ("version", data.get("version")),
        ("licence of the weights", about.get("license")),
        ("text encoder", about.get("text_encoder")),
        ("imported from", about.get("imported_from")),
        ("left out of it", ", ".join(_texts(about.get("left_out")))),
        ("statistics", _pairs(about.get("statistics")) or about.get("statistics")),
    ]
    others = [(k, v) for k, v in about.items() if k not in _TOLD and not isinstance(v, Mapping)]
    return [(name, _number(value)) for name, value in [*rows, *others] if value not in (None, "")]


def configuration_hash(train: Mapping[str, Any]) -> str:
    """12 hex digits that name a training's configuration, as `TrainConfig.config_hash`."""
    text = json.dumps(train, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def data_sets(about: Mapping[str, Any]) -> list[str]:
    """Names of the data sets that the weights were trained on, where they are known."""
    return _texts(_mapping(about.get("data")).get("datasets")) or _texts(about.get("sources"))


def _licences(names: Iterable[str]) -> list[str]:
    return [f"{name}: {LICENCES[name.lower()]}" for name in names if name.lower() in LICENCES]


def _pairs(value: object) -> str:
    return "; ".join(f"{key}: {inner}" for key, inner in _mapping(value).items())


def _front_matter(name: str, about: Mapping[str, Any]) -> str:
    """YAML; every value is written as JSON, which YAML reads, so that no text can break it."""
    sources = data_sets(about)
    fields: dict[str, Any] = {
        "model_name": name,
        "library_name": "crossdiff",
        "tags": ["human-motion", "text-to-motion", "pose-lifting", "diffusion"],
    }
    if about.get("license"):
        fields["license"] = str(about["license"])
    if sources:
        fields["datasets"] = sources
    lines = [f"{key}: {json.dumps(value)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(v) for v in value] if isinstance(value, list | tuple) else []


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested settings as `outer.inner`; the network's sizes are told elsewhere."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            if key != "network":
                yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plain(value: object) -> str:
    """Text that stays in its line and cell, and is no markup."""
    text = " ".join(str(value).split())
    for mark in ("\\", "|", "<", ">", "`", "[", "]", "*", "_"):
        text = text.replace(mark, f"\\{mark}")
    return text


def _table(rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {_plain(name)} | {_plain(value)} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])
