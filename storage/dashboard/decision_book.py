"""All decisions in memory, brought up to date by what was added: files of the table never change.

A curator's click must not read the whole table again. What is new lies in files that were not
there before; when files have gone (they were merged), everything is read once more.
"""

import bisect
from collections.abc import Iterable

from storage.decisions import Decision, Standing, decisions_snapshot, fold, order_of, read_decisions
from storage.store import Store


class DecisionBook:
    """Decisions by motion, and what they come to. Not for two threads at once."""

    def __init__(self) -> None:
        self.version: int | None = None
        """Of the decisions table; None: there is none yet."""
        self.standings: dict[str, Standing] = {}
        self._files: frozenset[str] = frozenset()
        self._histories: dict[str, list[Decision]] = {}
        self._motions: dict[str, str] = {}

    def refresh(self, store: Store) -> set[str] | None:
        """Read what was added.

        Returns:
            The motions that were spoken of; None: everything was read anew.

        Raises:
            StoreError: The table cannot be read.
        """
        snapshot = decisions_snapshot(store)
        if snapshot is None or snapshot.version == self.version:
            return set()
        files = frozenset(snapshot.files)
        anew = not self._files <= files
        if anew:
            self._histories, self.standings, self._motions = {}, {}, {}
        fresh = files if anew else files - self._files
        added = read_decisions(store, version=snapshot.version, paths=fresh) if fresh else []
        touched = self._add(added)
        self.version, self._files = snapshot.version, files
        return None if anew else touched

    def history(self, motion_id: str) -> list[Decision]:
        """All decisions on one motion, oldest first."""
        return list(self._histories.get(motion_id, ()))

    def motion_of(self, decision_id: str) -> str | None:
        """The motion that a decision is about; None: there is no such decision."""
        return self._motions.get(decision_id)

    def newest(self, limit: int) -> list[Decision]:
        """The newest decisions of all, newest first."""
        everything = (made for history in self._histories.values() for made in history)
        return sorted(everything, key=order_of, reverse=True)[:limit]

    def after(self, motion_id: str, seen: str | None) -> list[Decision]:
        """What was said on a motion after a decision that somebody saw; None: that saw none."""
        history = self._histories.get(motion_id, [])
        places = [at for at, made in enumerate(history) if made.decision_id == seen]
        return history[places[-1] + 1 :] if places else list(history)

    def _add(self, decisions: Iterable[Decision]) -> set[str]:
        touched = set()
        for made in decisions:
            if made.decision_id in self._motions:
                continue
            self._motions[made.decision_id] = made.motion_id
            bisect.insort(self._histories.setdefault(made.motion_id, []), made, key=order_of)
            touched.add(made.motion_id)
        self.standings |= {name: fold(self._histories[name]) for name in touched}
        return touched
