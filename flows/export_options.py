"""What `crossdiff export` is asked to do, checked before any work."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.export.bvh import BvhUnit
from pipeline.export.glb import BodyKind
from pipeline.export.one_file import RIGGED, FileOptions
from storage.dataset_card import OTHER_LICENCE, check_licence

ExportFormat = Literal["bvh", "glb", "npz", "csv", "mp4", "hf"]
FILE_SUFFIXES = (".bvh", ".glb", ".npz", ".csv", ".mp4")
NPZ = ".npz"


@dataclass(frozen=True)
class ExportOptions:
    """See `crossdiff export --help`."""

    items: tuple[str, ...]
    """Motion ids, or NPZ files where no store is given."""
    store: str | None
    format: ExportFormat
    out: Path
    query: str | None = None
    dataset: str | None = None
    action: str | None = None
    min_score: float | None = None
    dropped: bool = False
    unit: BvhUnit | None = None
    """None: centimetres."""
    fps: float | None = None
    helpers: bool = True
    body: BodyKind | None = None
    """None: capsules."""
    licence: str | None = None
    """None: other."""
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        self._check_source()
        self._check_format()
        suffix = self.out.suffix.lower()
        if suffix in FILE_SUFFIXES and not self.to_file:
            raise ValueError(
                f"--out {self.out} does not fit --format {self.format}: give a folder"
                + ("" if self.format == "hf" else f", or a file that ends in .{self.format}")
            )

    def _check_source(self) -> None:
        filters = (self.query, self.dataset, self.action, self.min_score)
        if self.store is None:
            strange = [item for item in self.items if not item.lower().endswith(NPZ)]
            if strange or not self.items:
                raise ValueError(
                    "say what to export: motion ids with --store STORE, or NPZ files that "
                    "`crossdiff generate` wrote"
                )
            if any(value is not None for value in filters):
                raise ValueError("--query, --dataset, --action and --min-score ask a --store")
            if self.format == "hf":
                raise ValueError("--format hf takes motions of a --store")
        elif not self.items and all(value is None for value in filters):
            raise ValueError(
                "say which motions: their ids, --query, --dataset, --action or --min-score"
            )
        if self.min_score is not None and not 0.0 <= self.min_score <= 1.0:
            raise ValueError(f"--min-score {self.min_score}: give the lowest score, 0 to 1")

    def _check_format(self) -> None:
        if self.unit is not None and self.format != "bvh":
            raise ValueError("--unit belongs to --format bvh: other files are in metres")
        if self.body is not None and self.format != "glb":
            raise ValueError("--body belongs to --format glb: other files show no body")
        if (self.fps is not None or not self.helpers) and self.format not in RIGGED:
            raise ValueError("--fps and --no-helpers belong to --format bvh and glb")
        if self.fps is not None and not 1.0 <= self.fps <= 1000.0:
            raise ValueError(f"--fps {self.fps:g}: give 1 to 1000 frames a second")
        if self.licence is not None and self.format != "hf":
            raise ValueError("--license belongs to --format hf")
        check_licence(self.licence or OTHER_LICENCE)

    @property
    def to_file(self) -> bool:
        """Whether one motion is written to one file, not any number to a folder."""
        return self.out.suffix.lower() == f".{self.format}"

    @property
    def licence_name(self) -> str:
        """The licence, for the card."""
        return check_licence(self.licence or OTHER_LICENCE)

    def file_options(self) -> FileOptions:
        """How a motion becomes a file."""
        if self.format == "hf":
            raise ValueError("--format hf writes no file a motion")
        unit, body = self.unit or "cm", self.body or "capsules"
        return FileOptions(self.format, unit, self.fps, self.helpers, body)

    def how(self) -> dict[str, object]:
        """Plain values that change what is written."""
        if self.format == "hf":
            return {"format": self.format, "license": self.licence_name}
        given = self.file_options()
        plain: dict[str, object] = {"format": self.format}
        if self.format in RIGGED:
            plain |= {"fps": given.fps, "helpers": given.helpers}
        if given.body != "capsules":
            plain["body"] = given.body
        return plain | ({"unit": given.unit} if self.format == "bvh" else {})
