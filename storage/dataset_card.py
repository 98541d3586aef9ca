"""The README.md of a data set in the Hugging Face layout: front matter, columns, statistics."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from storage.columns import SHAPE_SUFFIX
from storage.export_parquet import SPLIT_ORDER, exported_schema
from storage.export_selection import Selection

OTHER_LICENCE = "other"
SHOWN_ACTIONS = 30
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
MORE = "n>1M"
_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
ABOUT = """# {title}

Human motion, {motions:,} clips, {hours:.2f} hours: joints in 3D, the 2D views they project to or
were lifted from, captions, quality figures, and the lineage of every row. Exported with CrossDiff.

## Licence

{licence}

## Use

```python
from datasets import load_dataset
motions = load_dataset("PATH/TO/THIS/FOLDER", split="{split}")
row = motions.with_format("numpy")[0]
joints = row["joints3d"].reshape(row["joints3d_shape"])  # frames, joints, xyz; metres, y up
```

`pandas.read_parquet("data/FILE.parquet")` works as well. An array is a flat list of numbers, its
shape lies in the column `<name>_shape` beside it.

What `source_kind` calls `pseudo` was estimated from video by a network, and is not measured truth:
joints that nobody saw are False in `joint_mask`, `label_score` says how far a label can be trusted.
"""


def check_licence(name: str) -> str:
    """A licence's identifier for the front matter.

    Raises:
        ValueError: It is no identifier.
    """
    if not _LICENCE.fullmatch(name):
        raise ValueError(f"--license '{name[:40]}': give an identifier such as cc-by-4.0 or other")
    return name.lower()


def write_card(
    title: str,
    selection: Selection,
    shards: Sequence[Mapping[str, Any]],
    licence: str,
    versions: Mapping[str, Any],
) -> str:
    """The card's text.

    Args:
        title: The data set's name.
        selection: Its motions.
        shards: What was written, from `write_shard`.
        licence: An identifier; `other` gets a sentence that says what it means.
        versions: Of the store's tables that were read; where the store lies is nobody's business.
    """
    splits = [name for name in SPLIT_ORDER if any(s["split"] == name for s in shards)]
    seconds = sum(row["n_frames"] / row["fps"] for row in selection.rows)
    words = (
        "No licence was named when this was exported (`other`): the rights are those of the videos "
        "and recordings that the motions come from. Clear them before you pass anything on."
        if licence == OTHER_LICENCE
        else f"`{licence}`, as named by who exported it."
    )
    about = ABOUT.format(
        title=_plain(title), motions=len(selection.rows), hours=seconds / 3600.0, licence=words,
        split=splits[0],
    )  # fmt: skip
    parts = [
        _front_matter(title, shards, splits, licence, len(selection.rows)),
        about,
        _columns(exported_schema()),
        _statistics(selection.rows),
        _lineage(selection.rows, versions),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _front_matter(
    title: str, shards: Sequence[Mapping[str, Any]], splits: Sequence[str], licence: str, count: int
) -> str:
    """YAML; texts are written as JSON, which YAML reads as the same texts."""
    lines = ["---", f"license: {licence}", f"pretty_name: {json.dumps(title)}",
             "tags:", "- motion", "- human-motion", "- text-to-motion", "- 3d",
             "size_categories:", f"- {_size(count)}", "dataset_info:", "  features:"]  # fmt: skip
    for field in exported_schema():
        lines += [f"  - name: {field.name}", f"    {_feature(field.type)}"]
    lines.append("  splits:")
    for split in splits:
        own = [shard for shard in shards if shard["split"] == split]
        lines += [
            f"  - name: {split}",
            f"    num_bytes: {sum(shard['bytes_in_memory'] for shard in own)}",
            f"    num_examples: {sum(shard['rows'] for shard in own)}",
        ]
    lines += [
        f"  download_size: {sum(shard['bytes'] for shard in shards)}",
        f"  dataset_size: {sum(shard['bytes_in_memory'] for shard in shards)}",
        "configs:", "- config_name: default", "  data_files:",
    ]  # fmt: skip
    for split in splits:
        lines += [f"  - split: {split}", f"    path: data/{split}-*"]
    return "\n".join([*lines, "---"])


def _feature(kind: pa.DataType) -> str:
    """A column's type as `datasets` writes it."""
    if pa.types.is_list(kind):
        return f"list: {_scalar(kind.value_type)}"
    return f"dtype: {_scalar(kind)}"


def _scalar(kind: pa.DataType) -> str:
    names = {"float": "float32", "double": "float64"}
    text = names.get(str(kind), str(kind))
    return f"'{text}'" if "[" in text else text


def _size(count: int) -> str:
    return next((name for limit, name in SIZES if count < limit), MORE)


def _columns(schema: pa.Schema) -> str:
    rows = ["## Columns", "", "| column | type | unit | shape | meaning |", "|---|---|---|---|---|"]
    for field in schema:
        if field.name.endswith(SHAPE_SUFFIX):
            continue
        notes = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
        said = (notes.get(name, "") for name in ("unit", "shape", "comment"))
        kind = _feature(field.type).partition(": ")[2]
        cells = (f"`{field.name}`", f"list of {kind}" if pa.types.is_list(field.type) else kind)
        rows.append("| " + " | ".join([*cells, *map(_plain, said)]) + " |")
    return "\n".join(rows)


def _statistics(rows: Sequence[Mapping[str, Any]]) -> str:
    parts = ["## Statistics", ""]
    for name, limit in (("dataset", None), ("split", None), ("source_kind", None),
                        ("joint_set", None), ("action", SHOWN_ACTIONS)):  # fmt: skip
        motions = Counter(str(row[name] or "none") for row in rows)
        seconds: Counter[str] = Counter()
        for row in rows:
            seconds[str(row[name] or "none")] += row["n_frames"] / row["fps"]
        parts += [f"| {name} | motions | seconds |", "|---|---|---|"]
        shown = motions.most_common(limit)
        parts += [f"| {_plain(v)} | {n} | {seconds[v]:.1f} |" for v, n in shown]
        if len(shown) < len(motions):
            parts.append(
                f"| {len(motions) - len(shown)} more | {len(rows) - sum(n for _, n in shown)} | |"
            )
        parts.append("")
    captioned = sum(bool(row["captions"]) for row in rows)
    return "\n".join([*parts, f"{captioned} motions have captions."])


def _lineage(rows: Sequence[Mapping[str, Any]], versions: Mapping[str, Any]) -> str:
    told = {
        name: sorted({str(row[name]) for row in rows if row[name] is not None})
        for name in ("estimator_id", "checkpoint_id", "recipe_id", "code_version", "code_commit")
    }
    text = json.dumps({**told, "tables": versions}, indent=1, ensure_ascii=False)
    return f"## Lineage\n\n```json\n{text}\n```"


def _plain(text: str) -> str:
    """Text that no table, heading or HTML of the card takes for its own."""
    bare = " ".join(str(text).split())
    return re.sub(r"([\\|<>`*_\[\]#])", r"\\\1", bare)
