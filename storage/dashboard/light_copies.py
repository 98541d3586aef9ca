"""Copies of the light tables on this machine: the next start reads two files, not the whole store.

A copy is of one state of one store, which never changes; the tables' own ids tell a store from
another one that was made in its place. What cannot be read or written is done without.
"""

import contextlib
from pathlib import Path

import duckdb

from pipeline.render.out_files import replaced_when_done
from storage.dashboard.media_cache import MediaCache
from storage.schemas import MOTIONS, VIDEOS
from storage.store import Store, open_table

NAMES = ("m", "v")
"""The tables that are copied."""


class LightCopies:
    """Copies by the state that they are of."""

    def __init__(self, cache: MediaCache) -> None:
        self._cache = cache

    def read(self, held: Store, layout: str, connection: duckdb.DuckDBPyConnection) -> bool:
        """Make the tables from their copies; False: there is none, and nothing was made.

        Args:
            held: The store at the state that is wanted.
            layout: The queries that make the tables: with another one a copy is not taken.
            connection: Where to make them.
        """
        try:
            files = self._files(held, layout)
            if not all(map(self._cache.has, files)):
                return False
            for name, file in zip(NAMES, files, strict=True):
                connection.execute(f"CREATE TABLE {name} AS FROM read_parquet({_quoted(file)})")
        except (OSError, duckdb.Error):
            for name in NAMES:
                connection.execute(f"DROP TABLE IF EXISTS {name}")
            return False
        return True

    def write(self, held: Store, layout: str, connection: duckdb.DuckDBPyConnection) -> None:
        """Keep copies of the tables; a full disk is nobody's concern here."""
        with contextlib.suppress(OSError, ValueError, duckdb.Error):
            for name, file in zip(NAMES, self._files(held, layout), strict=True):
                with replaced_when_done(file, file.suffix) as unfinished:
                    connection.execute(f"COPY {name} TO {_quoted(unfinished)} (FORMAT parquet)")
                self._cache.added(file)

    def _files(self, held: Store, layout: str) -> list[Path]:
        ids = [open_table(held, spec.name).metadata().id for spec in (VIDEOS, MOTIONS)]
        state = sorted(held.pinned.items())
        made_from = ("light", layout, held.location.root, *ids, *state)
        return [self._cache.place(".parquet", name, *made_from) for name in NAMES]


def _quoted(file: Path) -> str:
    """A path in SQL, which binds no value there."""
    return "'" + str(file).replace("'", "''") + "'"
