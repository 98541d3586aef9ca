"""Where a row comes from: code, configuration, estimator, checkpoint; and a data set's recipe."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGE = "crossdiff"
MOTION_CAPTURE = "motion-capture"
"""Stands where the rows of labelled videos name their 2D estimator."""
CHECKOUT = Path(__file__).resolve().parent.parent
RECIPE_ID_LENGTH = 16
"""Hex digits: 64 bits, plenty for the handful of recipes of a store."""
GIT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Lineage:
    """Everything needed to say how a row was made; one field a column."""

    estimator_id: str
    recipe_id: str
    code_version: str
    config_hash: str
    config_json: str
    checkpoint_id: str | None = None
    source_hash: str | None = None
    """SHA-256 of the source file; set per row."""
    code_commit: str | None = None
    """Git commit, ending in `-dirty` when files differed from it; None outside a checkout."""
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Recipe:
    """What a data set's rows depend on: two rows of a data set differ in input, never in this."""

    estimator_id: str
    checkpoint_id: str | None
    config: Mapping[str, Any] = field(default_factory=dict)
    """Settings that change the numbers (normalisation, smoothing, choice of person); not those
    that only change the run (shard size, workers)."""

    @property
    def json(self) -> str:
        """The recipe as canonical JSON."""
        return canonical_json(
            {
                "estimator_id": self.estimator_id,
                "checkpoint_id": self.checkpoint_id,
                "config": dict(self.config),
            }
        )

    @property
    def recipe_id(self) -> str:
        """A name for the recipe: equal content, equal name."""
        return sha256_text(self.json)[:RECIPE_ID_LENGTH]


def make_lineage(recipe: Recipe, config: object) -> Lineage:
    """The lineage that all rows of a run share; give each its `source_hash` with `replace`.

    Args:
        recipe: The data set's recipe.
        config: The run's whole configuration: a mapping or a dataclass.
    """
    text = canonical_json(config)
    return Lineage(
        estimator_id=recipe.estimator_id,
        recipe_id=recipe.recipe_id,
        code_version=code_version(),
        config_hash=sha256_text(text),
        config_json=text,
        checkpoint_id=recipe.checkpoint_id,
        code_commit=code_commit(),
    )


def canonical_json(value: object) -> str:
    """JSON that is equal for equal content: sorted keys, no spaces, no NaN.

    Raises:
        TypeError: Something in it has no JSON form.
        ValueError: It holds NaN or infinity.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)


def sha256_text(text: str) -> str:
    """SHA-256 of a text in UTF-8, hex."""
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=1)
def code_version() -> str:
    """The installed version of this package, or `unknown` when it is not installed."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"


@lru_cache(maxsize=1)
def code_commit() -> str | None:
    """The git commit of the checkout that this code runs from; None outside a checkout."""
    git = shutil.which("git")
    if git is None or not (CHECKOUT / ".git").exists():
        return None
    command = [git, "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--abbrev=40"]
    command += ["--exclude", "*"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command on our own folder, no shell
            command, capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
