"""The store as the dashboard sees it: light tables that follow it, and decisions folded in.

The first reading happens in a thread, so that the page is there at once. Later the tables' versions
are asked for every few seconds at most; a newer state is read beside the old one, which answers
until it is replaced.
"""

import contextlib
import threading
import time
from collections.abc import Iterator

import duckdb

from storage.dashboard.browsing import facets, motions_page
from storage.dashboard.decision_book import DecisionBook
from storage.dashboard.filters import MotionFilter, Page
from storage.dashboard.light_copies import LightCopies
from storage.dashboard.light_tables import LightTables, load_light, state_of, write_decided
from storage.errors import StoreError
from storage.schemas import MOTIONS
from storage.store import Store

CLOSE_S = 20.0
"""Longest wait for a reading that was interrupted."""
INTERRUPT_EVERY_S = 0.1


class StillLoading(Exception):  # noqa: N818 - named as the situation it reports
    """The store is being read for the first time."""


class LiveStore:
    """Answers from memory, at most a few seconds behind the store."""

    def __init__(
        self, store: Store, check_every_s: float, copies: LightCopies | None = None
    ) -> None:
        self.store = store
        self._copies = copies
        self.book = DecisionBook()
        self.lock = threading.RLock()
        """Held while decisions are read or written."""
        self._light: LightTables | None = None
        self._problem: StoreError | None = None
        self._check_every_s = check_every_s
        self._checked = 0.0
        self._busy = threading.Lock()
        self._looking: threading.Thread | None = None
        self._reading: duckdb.DuckDBPyConnection | None = None
        self._closing = False

    @property
    def loading(self) -> bool:
        """Whether nothing can be answered yet."""
        return self._light is None and self._problem is None

    @property
    def readonly(self) -> bool:
        """A version of a store can be looked at, not decided on."""
        return self.store.location.version is not None

    def start(self) -> None:
        """Begin to read the store, in a thread."""
        self._look_in_thread()

    def close(self) -> None:
        """End the reading: a thread inside a library must not outlive the interpreter."""
        self._closing = True
        looking, end = self._looking, time.monotonic() + CLOSE_S
        while looking is not None and looking.is_alive() and time.monotonic() < end:
            # Again and again: an interruption between two queries is lost.
            reading = self._reading
            if reading is not None:
                with contextlib.suppress(duckdb.Error):
                    reading.interrupt()
            looking.join(INTERRUPT_EVERY_S)

    def light(self) -> LightTables:
        """The newest state that was read.

        Raises:
            StillLoading: None was read yet.
            StoreError: The store could not be read at all.
        """
        if time.monotonic() - self._checked > self._check_every_s:
            self._look_in_thread()
        if self._light is not None:
            return self._light
        if self._problem is not None:
            raise self._problem
        raise StillLoading

    @contextlib.contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the newest state, for one request."""
        cursor = self.light().cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def refresh_decisions(self) -> None:
        """Bring in what was decided since, by whomever.

        Raises:
            StoreError: The table cannot be read.
        """
        with self.lock:
            touched = self.book.refresh(self.store)
            if self._light is None or touched == set():
                return
            named = self.book.standings if touched is None else touched
            changed = {name: self.book.standings[name] for name in named}
            write_decided(self._light, changed, anew=touched is None)

    def _look_in_thread(self) -> None:
        if self._closing or not self._busy.acquire(blocking=False):
            return
        self._checked = time.monotonic()
        self._looking = threading.Thread(target=self._look, name="dashboard-store", daemon=True)
        self._looking.start()

    def _look(self) -> None:
        try:
            if self._light is None or (not self.readonly and self._is_newer()):
                self._replace()
            else:
                self.refresh_decisions()
            self._problem = None
        except StoreError as error:
            self._problem = error
        finally:
            self._checked = time.monotonic()
            self._busy.release()

    def _is_newer(self) -> bool:
        return self._light is not None and state_of(self.store) != self._light.version

    def _interruptible(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._reading = connection

    def _replace(self) -> None:
        light = load_light(self.store, self._interruptible, self._copies)
        self._reading = None
        with self.lock:
            self.book.refresh(self.store)
            write_decided(light, self.book.standings, anew=True)
            # The one before is closed when its last reader lets it go.
            self._light = light
        with (
            self.cursor() as cursor
        ):  # the first page's own queries, before a visitor waits for them
            motions_page(cursor, MotionFilter(), Page())
            facets(cursor, None)
        for snapshot in light.snapshots.values():  # so that looking at a motion need not wait
            for dataset in {file.partition for file in snapshot.files.values()}:
                if snapshot.spec.name != MOTIONS.name and not self._closing:
                    snapshot.units(dataset)
