"""An evaluator's card: what its config.json says, for people."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from models.checkpoint_card import CARD_FILE, LICENCES, MARK
from models.matching.whole_file import write_whole

_ABOUT = {
    "all": "the whole body without foot contacts (FID, R-Precision, MM Dist, Diversity)",
    "upper": "the upper body alone (FID-U)",
    "lower": "the root and the legs alone (FID-L)",
}


def write_card(folder: Path, config: Mapping[str, Any], evaluator_id: str, parameters: int) -> None:
    """Write the card beside an evaluator; one that a person wrote stays.

    Args:
        folder: The evaluator.
        config: What is in its config.json.
        evaluator_id: Of its files.
        parameters: Of its networks.
    """
    file = folder / CARD_FILE
    if file.exists() and MARK not in file.read_text(encoding="utf-8", errors="replace"):
        return
    write_whole(file, card_text(config, evaluator_id, parameters).encode())


def card_text(config: Mapping[str, Any], evaluator_id: str, parameters: int) -> str:
    """The whole card.

    Args:
        config: What is in config.json.
        evaluator_id: Of the files.
        parameters: Of the networks.
    """
    about = _mapping(config.get("about"))
    measured = _mapping(about.get("measured"))
    parts = [
        MARK,
        f"# Evaluator {evaluator_id}",
        "Text-motion matching networks (Guo et al., CVPR 2022), which scores of generated motion "
        f"are computed with. This one sees {_ABOUT[config['part']]}. Scores compare only with "
        f"scores of the same evaluator, `{evaluator_id}`.",
        _table(_facts(config, about, parameters)),
    ]
    if measured:
        parts += [
            "## R-Precision of real pairs",
            "Pools of 32, mean of 5 draws of captions and pools. The published metric counts a "
            "text's own motion alone: others with the same caption count as misses.",
            _measured_table(measured),
        ]
    train = _mapping(about.get("train"))
    if train:
        parts += ["## Training", _table((k, v) for k, v in train.items() if k != "sizes")]
    return "\n\n".join(parts) + "\n"


def _facts(
    config: Mapping[str, Any], about: Mapping[str, Any], parameters: int
) -> Iterable[tuple[str, object]]:
    data = _mapping(about.get("data"))
    names = [str(name) for name in data.get("datasets") or []]
    licences = [f"{name}: {LICENCES[name]}" for name in names if name in LICENCES]
    words = () if config["sentence_width"] is None else ("word", "tags")
    sizes = ", ".join(f"{k} {v}" for k, v in config["sizes"].items() if k not in words)
    rows = [
        ("part", config["part"]),
        ("skeleton", config["skeleton"]),
        ("text is read through", config["text_source"]),
        ("sizes", f"{sizes}; {parameters / 1e6:.2f} M parameters"),
        ("data sets", ", ".join(names)),
        ("licences of the data", "; ".join(licences)),
        ("licence of the weights", about.get("license")),
        ("motions", "; ".join(f"{k}: {v}" for k, v in _mapping(data.get("motions")).items())),
        ("steps", _steps(about)),
        ("imported from", about.get("imported_from")),
        ("statistics from", about.get("statistics")),
        ("word vectors", about.get("words")),
        ("left out of the file", about.get("left_out")),
    ]
    return ((name, value) for name, value in rows if value not in (None, ""))


def _steps(about: Mapping[str, Any]) -> str | None:
    if "step" not in about or "steps" not in about:
        return None
    return f"{about['step']} of {about['steps']}: the best R-Precision (mean of 1 to 3) on val"


def _measured_table(measured: Mapping[str, Any]) -> str:
    lines = ["| split | motions | R@1 | R@2 | R@3 |", "|---|---|---|---|---|"]
    for split, found in measured.items():
        shares = " | ".join(f"{value:.3f}" for value in found["r_precision"])
        lines.append(f"| {_plain(split)} | {found['motions']} | {shares} |")
    return "\n".join(lines)


def _table(rows: Iterable[tuple[str, object]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {_plain(k)} | {_plain(v)} |" for k, v in rows)])


def _plain(value: object) -> str:
    """Text inside a table's cell: no line breaks, no bars, no tags."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
