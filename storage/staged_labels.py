"""New labels on their way into a store: kept aside, shard by shard, until all are there.

They lie in `STORE/.relabel/DATASET/RECIPE`, on a disk as in a bucket, and belong to no table: no
reader sees them. A run that was killed finds them again. The folder may be deleted at any time
when nobody labels; the labels are then computed again.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake.exceptions import TableNotFoundError

from storage import fault
from storage.arrow_rows import to_arrow
from storage.datafiles import COMPRESSION, table_files
from storage.errors import StoreError, told_plainly
from storage.lineage import sha256_text
from storage.location import StoreLocation
from storage.rows import MotionRow
from storage.schemas import LINEAGE, MOTIONS

FOLDER = ".relabel"
TRIES = 20
"""To make a folder that whoever ends at this moment tidies away while it is empty."""
LABEL = (
    "joints3d", "joints3d_shape", "features3d", "features3d_shape", "feature_mask3d",
    "feature_mask3d_shape", "view_azimuth_deg", "quality_reprojection_error",
    "quality_foot_skating", "quality_jitter", "quality_spread", "view_elevation_deg", "view_name",
    "perspective_error", "second_opinion", "label_score", "label_error", "joint_error", "shard_id",
    *(column.name for column in LINEAGE),
)  # fmt: skip
"""The columns of `motions` that a label consists of; all others are about what was seen."""
_COLUMNS = ["motion_id", *LABEL]


class LabelsGone(StoreError):  # noqa: N818 - named as the situation it reports
    """Labels were deleted while they were used: somebody has just committed the same ones."""


@dataclass(frozen=True)
class StagedLabels:
    """Labels of one data set by one recipe, as far as they were computed."""

    location: StoreLocation
    dataset: str
    recipe_id: str

    @property
    def _name(self) -> str:
        return f"{FOLDER}/{self.dataset}/{self.recipe_id}"

    @cached_property
    def _folder(self) -> pafs.FileSystem:
        with told_plainly(f"keep new labels in {self.location}"):
            for _ in range(TRIES):
                with suppress(TableNotFoundError, FileNotFoundError):
                    if self.location.is_local:
                        (self.location.path / self._name).mkdir(parents=True, exist_ok=True)
                    return table_files(self.location, self._name)
            raise FileNotFoundError(f"{self._name} is deleted as often as it is made")

    def add(self, rows: Sequence[MotionRow]) -> None:
        """Keep the labels of some motions, all of them or none.

        Args:
            rows: The motions with their new labels.

        Raises:
            StoreError: The store cannot be written.
        """
        labels = to_arrow(rows, MOTIONS).select(_COLUMNS)
        name = f"{sha256_text(' '.join(labels.column('motion_id').to_pylist()))[:32]}.parquet"
        with (
            told_plainly(f"keep new labels in {self.location}"),
            self._folder.open_output_stream(name) as file,
        ):
            pq.write_table(labels, file, compression=COMPRESSION, store_schema=False)
        fault.die_at(fault.AFTER_STAGED)

    def files(self) -> dict[str, str]:
        """Motion id -> file with its label. A file that is not whole counts as not there.

        Raises:
            StoreError: The store cannot be read.
        """
        found: dict[str, str] = {}
        for name in self._names():
            rows = self._read(name, ["motion_id"])
            if rows is not None:
                found.update(dict.fromkeys(rows.column("motion_id").to_pylist(), name))
        return found

    def read(self, names: Sequence[str]) -> pa.Table:
        """The labels of some files, as columns of `motions`.

        Raises:
            LabelsGone: A file is not there any more.
            StoreError: A file cannot be read.
        """
        schema = pa.schema([MOTIONS.schema.field(name) for name in _COLUMNS])
        with told_plainly(f"read new labels in {self.location}"):
            try:
                parts = [pq.read_table(self._folder.open_input_file(name)) for name in names]
            except FileNotFoundError as error:
                raise LabelsGone(f"new labels in {self.location} were deleted") from error
        return pa.concat_tables([part.cast(schema) for part in parts])

    def forget(self) -> None:
        """Delete all that is kept aside for the data set: the tables have these labels now.

        By other recipes, too: who was given up would fill the disk for ever, and whoever still
        labels with another one is refused, since the data set has this one.
        """
        mine = f"{FOLDER}/{self.dataset}"
        with told_plainly(f"tidy up {self.location}"):
            try:
                folder = table_files(self.location, mine)
            except TableNotFoundError:  # nothing of it is left: somebody else was as fast
                return
            for name in _parquet_files(folder, recursive=True):
                with suppress(FileNotFoundError):  # somebody else was as fast
                    folder.delete_file(name)
        if self.location.is_local:
            recipes = [path for path in (self.location.path / mine).glob("*") if path.is_dir()]
            for path in (*recipes, self.location.path / mine, self.location.path / FOLDER):
                with suppress(OSError):  # not empty: another data set is being labelled
                    path.rmdir()

    def _names(self) -> list[str]:
        with told_plainly(f"read new labels in {self.location}"):
            return _parquet_files(self._folder)

    def _read(self, name: str, columns: list[str]) -> pa.Table | None:
        with told_plainly(f"read new labels in {self.location}"):
            try:
                file = pq.ParquetFile(self._folder.open_input_file(name))
                # Kept aside by an older version: it is computed and written again.
                whole = set(_COLUMNS) <= set(file.schema_arrow.names)
                return file.read(columns=columns) if whole else None
            except FileNotFoundError:
                return None  # deleted since it was listed: somebody committed the same labels
            except pa.ArrowInvalid:
                return None  # cut off by a full disk; it is computed and written again


def _parquet_files(folder: pafs.FileSystem, *, recursive: bool = False) -> list[str]:
    infos = folder.get_file_info(pafs.FileSelector("", allow_not_found=True, recursive=recursive))
    return sorted(info.path for info in infos if info.path.endswith(".parquet"))
