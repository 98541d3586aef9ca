"""What every training that can be resumed needs: a state written whole, and options compared."""

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

HASH_DIGITS = 12


def write_state(state: Mapping[str, Any], path: Path) -> None:
    """Save tensors and plain values; the file is replaced whole or not at all."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def config_hash(values: Mapping[str, Any]) -> str:
    """12 hex digits that name a configuration in plain values."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]


def differing_values(
    begun: Mapping[str, Any], asked: Mapping[str, Any], free: Collection[str]
) -> list[str]:
    """What keeps a run begun with one configuration from going on with another, in words.

    Args:
        begun: Plain values, nested ones as mappings.
        asked: The same of the other configuration.
        free: Names that may differ.
    """
    old, new = _flat(begun), _flat(asked)
    return [
        f"{name} {old[name]}, not {new[name]}"
        for name in old
        if old[name] != new[name] and name not in free
    ]


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """One level, nested names joined by a dot."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        inner = _flat(value) if isinstance(value, dict) else {"": value}
        out.update({f"{name}.{key}".rstrip("."): v for key, v in inner.items()})
    return out
