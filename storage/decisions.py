"""Curators' decisions on motions: a table that is only added to, so that two never fight.

A decision is about a motion, not about a version of the store: read at `URL@12`, a store shows the
decisions of today. A run that used them names `decisions_version` beside the store's version, and
`current_decisions(store, version=...)` gives what it saw again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from storage.catalog import connect
from storage.commit import Change, commit_change
from storage.errors import StoreError, UnknownMotion, told_plainly
from storage.lineage import canonical_json, sha256_text
from storage.schemas import DECISIONS
from storage.snapshot import Snapshot
from storage.store import Store, ensure_table, has_table

Verdict = Literal["keep", "drop", "needs-work"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
SPLITS = ("train", "val", "test")
ID_LENGTH = 32
"""Hex digits of a decision's id: 128 bits."""
SHOWN_IDS = 3
"""Unknown motion ids that a message names."""
_WHERE = "SELECT motion_id, dataset FROM motions WHERE list_contains($ids, motion_id)"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What somebody decided on one motion; None: this field was not spoken of."""

    motion_id: str
    by: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    verdict: Verdict | None = None
    captions: tuple[str, ...] | None = None
    """Replace the motion's own."""
    split: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        """Refuse what says nothing, or what no reader could act on."""
        if self.verdict is not None and self.verdict not in VERDICTS:
            raise ValueError(f"a verdict is {', '.join(VERDICTS)}, not {self.verdict!r}")
        if self.split is not None and self.split not in SPLITS:
            raise ValueError(f"a split is {', '.join(SPLITS)}, not {self.split!r}")
        if self.captions is not None and not (self.captions and all(map(str.strip, self.captions))):
            raise ValueError("a caption that replaces a motion's own must not be empty")
        if not self.by.strip():
            raise ValueError("a decision needs the name of who decided: --by NAME")
        if self.at.tzinfo is None:
            raise ValueError("a decision's time needs a time zone")
        for text in (self.by, self.note or "", *(self.captions or ())):
            if not _is_unicode(text):
                raise ValueError(f"{text!r} is no readable text: write it as UTF-8")
        said = (self.verdict, self.captions, self.split, self.note or None)
        if all(value is None for value in said):
            raise ValueError(
                "nothing is decided: say --keep, --drop or --needs-work, a --caption, a --split "
                "or a --note"
            )


def record_decisions(store: Store, decisions: Iterable[Decision]) -> int:
    """Add decisions; none is ever changed or removed, and one that is there already stays single.

    The table is made when a store does not have it yet; no other table changes.

    Args:
        store: The store, at its newest version.
        decisions: On motions of any data sets of the store.

    Returns:
        How many are new.

    Raises:
        UnknownMotion: A motion that the store does not have; then nothing is recorded.
        StoreError: The store cannot be written, or is held at a version.
    """
    given = list(dict.fromkeys(decisions))
    if store.location.version is not None:
        raise StoreError(f"{store.location}: decide without @VERSION; decisions hold for all")
    by_dataset: dict[str, list[Decision]] = {}
    where = _datasets_of(store, sorted({decision.motion_id for decision in given}))
    for decision in given:
        by_dataset.setdefault(where[decision.motion_id], []).append(decision)
    with store.exclusive():
        ensure_table(store, DECISIONS)
        return sum(_append(store, name, made) for name, made in sorted(by_dataset.items()))


def moment_to_decide(store: Store, motion_ids: Iterable[str]) -> datetime:
    """The time to give a decision that is made now: what a curator says last must count last.

    Now; but where another curator's clock is ahead, just after what is decided there already.

    Raises:
        StoreError: The table cannot be read.
    """
    made = current_decisions(store)
    last = (made[name].at + timedelta(microseconds=1) for name in motion_ids if name in made)
    return max([datetime.now(UTC), *last])


def current_decisions(store: Store, *, version: int | None = None) -> dict[str, Decision]:
    """What holds now, by motion id: of each field the last that was said of it.

    `at` and `by` are those of the last decision, `note` is the last one given. Times are those of
    the machines that decided (see `moment_to_decide`); equal ones are ordered by their ids.

    Args:
        store: The store, at any version: decisions hold for all.
        version: A version of the table, see `decisions_version`; None is the newest.

    Raises:
        StoreError: The table cannot be read.
    """
    current: dict[str, Decision] = {}
    for decision in _read(store, None, version):
        before = current.get(decision.motion_id)
        current[decision.motion_id] = decision if before is None else _over(before, decision)
    return current


def decision_history(store: Store, motion_id: str) -> list[Decision]:
    """All decisions on one motion, oldest first.

    Raises:
        StoreError: The table cannot be read.
    """
    return _read(store, pc.field("motion_id") == motion_id, None)


def decisions_version(store: Store) -> int | None:
    """The newest version of the table; None when the store has none. A run that used it names it.

    Raises:
        StoreError: The table cannot be read.
    """
    if not has_table(store.location, DECISIONS.name):
        return None
    return Store(store.location.at(None)).snapshot(DECISIONS.name).version


def _is_unicode(text: str) -> bool:
    """Not so is what a shell hands over of bytes that are no UTF-8: no table can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _over(before: Decision, last: Decision) -> Decision:
    said = {
        name: getattr(last, name)
        for name in ("verdict", "captions", "split", "note")
        if getattr(last, name) is not None
    }
    return replace(before, at=last.at, by=last.by, **said)


def _datasets_of(store: Store, motion_ids: Sequence[str]) -> dict[str, str]:
    with told_plainly(f"read the motions of {store.location}"), connect(store) as connection:
        found = dict(connection.execute(_WHERE, {"ids": list(motion_ids)}).fetchall())
    unknown = [name for name in motion_ids if name not in found]
    if unknown:
        more = f" and {len(unknown) - SHOWN_IDS} more" if len(unknown) > SHOWN_IDS else ""
        named = ", ".join(f"'{name}'" for name in unknown[:SHOWN_IDS])
        raise UnknownMotion(
            f"{store.location} has no motion {named}{more}: nothing was recorded; "
            "`crossdiff ls --motions` lists the ids"
        )
    return found


def _append(store: Store, dataset: str, decisions: Sequence[Decision]) -> int:
    rows = pa.Table.from_pylist([_row(dataset, each) for each in decisions], DECISIONS.schema)
    app_id = f"crossdiff/decisions/{sha256_text(''.join(rows.column('decision_id').to_pylist()))}"

    def plan(snapshot: Snapshot) -> Change | None:
        there = pa.array(sorted(snapshot.units(dataset)), pa.string())
        fresh = rows.filter(pc.invert(pc.is_in(rows.column("decision_id"), value_set=there)))
        order = [(name, "ascending") for name in DECISIONS.key]
        return Change(fresh.sort_by(order)) if fresh.num_rows else None

    return commit_change(store, DECISIONS.name, dataset, app_id, plan).rows


def _row(dataset: str, decision: Decision) -> dict[str, Any]:
    said: dict[str, Any] = {
        "motion_id": decision.motion_id,
        "decided_by": decision.by,
        "verdict": decision.verdict,
        "captions": None if decision.captions is None else list(decision.captions),
        "split": decision.split,
        "note": decision.note,
    }
    moment = decision.at.astimezone(UTC)
    name = sha256_text(canonical_json({**said, "decided_at": moment.isoformat()}))[:ID_LENGTH]
    return {**said, "dataset": dataset, "decided_at": moment, "decision_id": name}


def _read(store: Store, where: pc.Expression | None, version: int | None) -> list[Decision]:
    if not has_table(store.location, DECISIONS.name):
        return []  # a store from before decisions were kept
    snapshot = Store(store.location.at(None)).snapshot(DECISIONS.name, version)
    rows = snapshot.read(where).sort_by([("decided_at", "ascending"), ("decision_id", "ascending")])
    return [
        Decision(
            motion_id=row["motion_id"],
            by=row["decided_by"],
            at=row["decided_at"],
            verdict=row["verdict"],
            captions=None if row["captions"] is None else tuple(row["captions"]),
            split=row["split"],
            note=row["note"],
        )
        for row in rows.to_pylist()
    ]
