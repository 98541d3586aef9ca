"""Curators' decisions on motions: a table that is only added to, so that two never fight.

To take a decision back is a decision too: a row that names it in `withdraws`. It counts no more, it
stays in the history, and it comes back when its withdrawal is withdrawn.

A decision is about a motion, not about a version of the store: read at `URL@12`, a store shows the
decisions of today. A run that used them names `decisions_version` beside the store's version, and
`current_decisions(store, version=...)` gives what it saw again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
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
    withdraws: tuple[str, ...] = ()
    """Ids of earlier decisions on the same motion that count no more."""

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
        said = (self.verdict, self.captions, self.split, self.note or None, self.withdraws or None)
        if all(value is None for value in said):
            raise ValueError(
                "nothing is decided: say --keep, --drop or --needs-work, a --caption, a --split "
                "or a --note"
            )

    @cached_property
    def decision_id(self) -> str:
        """Names the decision: a hash of what it says, so that said twice it is kept once."""
        said: dict[str, Any] = {
            "motion_id": self.motion_id,
            "decided_by": self.by,
            "verdict": self.verdict,
            "captions": None if self.captions is None else list(self.captions),
            "split": self.split,
            "note": self.note,
            "decided_at": self.at.astimezone(UTC).isoformat(),
        }
        if self.withdraws:  # otherwise as it was before decisions could be taken back
            said["withdraws"] = list(self.withdraws)
        return sha256_text(canonical_json(said))[:ID_LENGTH]


@dataclass(frozen=True)
class Standing:
    """What a motion's history comes to."""

    last: Decision
    """The last word, whether it decides or takes back."""
    current: Decision | None = None
    """Of each field the last that was said and not taken back; None: nothing is left."""
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    """Decision that does not count -> the decision that took it back."""


def record_decisions(
    store: Store, decisions: Iterable[Decision], datasets: Mapping[str, str] | None = None
) -> int:
    """Add decisions; none is ever changed or removed, and one that is there already stays single.

    The table is made when a store does not have it yet; no other table changes. The rows are on
    disk when this returns: one commit for each data set.

    Args:
        store: The store, at its newest version.
        decisions: On motions of any data sets of the store.
        datasets: The data sets of these motions, where they were read from this store before;
            None looks them up.

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
    named = sorted({decision.motion_id for decision in given})
    where = _datasets_of(store, named) if datasets is None else datasets
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
    named = set(motion_ids)
    return moment_after(made for made in read_decisions(store) if made.motion_id in named)


def moment_after(decisions: Iterable[Decision]) -> datetime:
    """Now, or just after the latest of some decisions, whichever is later."""
    return max([datetime.now(UTC), *(made.at + timedelta(microseconds=1) for made in decisions)])


def current_decisions(store: Store, *, version: int | None = None) -> dict[str, Decision]:
    """What holds now, by motion id: of each field the last that was said of it.

    `at` and `by` are those of the last decision, `note` is the last one given; what was taken back
    does not count. Times are those of the machines that decided (see `moment_to_decide`); equal
    ones are ordered by their ids.

    Args:
        store: The store, at any version: decisions hold for all.
        version: A version of the table, see `decisions_version`; None is the newest.

    Raises:
        StoreError: The table cannot be read.
    """
    standings = fold_all(read_decisions(store, version=version))
    return {name: made.current for name, made in standings.items() if made.current is not None}


def fold_all(decisions: Iterable[Decision]) -> dict[str, Standing]:
    """What each motion's decisions, in their order, come to."""
    by_motion: dict[str, list[Decision]] = {}
    for decision in decisions:
        by_motion.setdefault(decision.motion_id, []).append(decision)
    return {name: fold(history) for name, history in by_motion.items()}


def fold(history: Sequence[Decision]) -> Standing:
    """What one motion's decisions come to.

    A withdrawal counts for what came before it, unless it was withdrawn itself.

    Args:
        history: All decisions on one motion, oldest first; at least one.
    """
    withdrawn: dict[str, str] = {}
    standing: list[Decision] = []
    for decision in reversed(history):
        if decision.decision_id in withdrawn:
            continue
        standing.append(decision)
        for name in decision.withdraws:
            withdrawn.setdefault(name, decision.decision_id)
    current: Decision | None = None
    for decision in reversed(standing):
        if _decides(decision):
            current = decision if current is None else _over(current, decision)
    return Standing(history[-1], current, withdrawn)


def as_decided(row: dict[str, Any], decision: Decision | None) -> dict[str, Any]:
    """A listed motion with a curator's captions and split in place of its own.

    Args:
        row: With `captions` and `split`.
        decision: What holds now; None: nobody decided.
    """
    if decision is None:
        return row
    captions = row["captions"] if decision.captions is None else list(decision.captions)
    return {**row, "captions": captions, "split": decision.split or row["split"]}


def decision_history(store: Store, motion_id: str) -> list[Decision]:
    """All decisions on one motion, oldest first, also those that were taken back.

    Raises:
        StoreError: The table cannot be read.
    """
    return read_decisions(store, pc.field("motion_id") == motion_id)


def read_decisions(
    store: Store,
    where: pc.Expression | None = None,
    *,
    version: int | None = None,
    paths: Collection[str] | None = None,
) -> list[Decision]:
    """Decisions as they were made, in the order in which they count.

    Args:
        store: The store, at any version: decisions hold for all.
        where: Which rows; None for all.
        version: A version of the table; None is the newest.
        paths: Which of its data files; None for all.

    Raises:
        StoreError: The table cannot be read.
    """
    snapshot = decisions_snapshot(store, version)
    if snapshot is None:
        return []
    rows = snapshot.read(where, paths=paths).to_pylist()
    return sorted(map(_from_row, rows), key=order_of)


def order_of(decision: Decision) -> tuple[datetime, str]:
    """What decisions are sorted by: their time, then their id."""
    return decision.at, decision.decision_id


def decisions_snapshot(store: Store, version: int | None = None) -> Snapshot | None:
    """The table at a version (None: the newest); None for a store from before decisions were kept.

    Raises:
        StoreError: The table cannot be read.
    """
    if not has_table(store.location, DECISIONS.name):
        return None
    newest = Store(store.location.at(None), unit_cache=store.unit_cache)
    return newest.snapshot(DECISIONS.name, version)


def decisions_version(store: Store) -> int | None:
    """The newest version of the table; None when the store has none. A run that used it names it.

    Raises:
        StoreError: The table cannot be read.
    """
    snapshot = decisions_snapshot(store)
    return None if snapshot is None else snapshot.version


def _is_unicode(text: str) -> bool:
    """Not so is what a shell hands over of bytes that are no UTF-8: no table can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decides(decision: Decision) -> bool:
    """Not so is what only takes back."""
    said = (decision.verdict, decision.captions, decision.split, decision.note or None)
    return any(value is not None for value in said)


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
    return {
        "dataset": dataset,
        "motion_id": decision.motion_id,
        "decided_at": decision.at.astimezone(UTC),
        "decided_by": decision.by,
        "decision_id": decision.decision_id,
        "verdict": decision.verdict,
        "captions": None if decision.captions is None else list(decision.captions),
        "split": decision.split,
        "note": decision.note,
        "withdraws": list(decision.withdraws) or None,
    }


def _from_row(row: Mapping[str, Any]) -> Decision:
    made = Decision(
        motion_id=row["motion_id"],
        by=row["decided_by"],
        at=row["decided_at"],
        verdict=row["verdict"],
        captions=None if row["captions"] is None else tuple(row["captions"]),
        split=row["split"],
        note=row["note"],
        withdraws=tuple(row["withdraws"] or ()),
    )
    # The row's own: hashing each of many rows again would take longer than reading them.
    vars(made)["decision_id"] = row["decision_id"]
    return made
