"""Decisions over HTTP: on disk before they are answered, taken back by adding one more."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from storage.dashboard.browsing import datasets_of, shown_of
from storage.dashboard.settings import (
    BULK,
    CAPTION_CHARS,
    CAPTIONS,
    MOTION_CHARS,
    NAME_CHARS,
    NOTE_CHARS,
)
from storage.dashboard.state import LiveStore
from storage.decisions import Decision, Standing, Verdict, moment_after, record_decisions
from storage.errors import StoreError, UnknownMotion

UNKNOWN_SHOWN = 3
EFFECTIVE = ("verdict", "captions", "split")
"""What a list shows of a motion once its decisions are counted in."""


def decide(
    live: LiveStore,
    motion_ids: Sequence[str],
    said: Mapping[str, Any],
    by: str,
    seen: Mapping[str, str | None],
    *,
    again: bool = False,
) -> dict[str, Any]:
    """Record one decision for each motion, in one commit for each data set.

    Args:
        live: The store.
        motion_ids: On which motions.
        said: `verdict`, `captions`, `split`, `note`, as far as they were spoken of.
        by: Who decides.
        seen: The last word that the curator saw, by motion.
        again: The same was sent before and no answer came: what is there of it is not added again.

    Raises:
        UnknownMotion: A motion that there is not; then nothing is recorded.
        ValueError: Nothing is said, or what no reader could act on.
        StoreError: The store cannot be written.
    """
    named = list(dict.fromkeys(motion_ids))
    check_sizes(named, said, by)
    with live.lock:
        where = _where(live, named)
        live.refresh_decisions()
        meanwhile = {name: live.book.after(name, seen[name]) for name in named if name in seen}
        moment = moment_after(made for name in named for made in live.book.history(name)[-1:])
        made = [Decision(motion_id=name, by=by, at=moment, **_fields(said)) for name in named]
        there = _recorded_before(live, made, meanwhile) if again else {}
        others = {
            name: [one for one in after if one is not there.get(name)]
            for name, after in meanwhile.items()
        }
        fresh = [one for one in made if one.motion_id not in there]
        answer = _record(live, fresh, where, others, named)
        earlier = [one.decision_id for one in there.values()]
        return answer | {"decision_ids": [*earlier, *answer["decision_ids"]]}


def undo(live: LiveStore, decision_ids: Sequence[str], by: str) -> dict[str, Any]:
    """Take decisions back (or, of a withdrawal, bring back what it took).

    Raises:
        UnknownMotion: There is no such decision.
        StoreError: The store cannot be written.
    """
    named = list(dict.fromkeys(decision_ids))
    if not 1 <= len(named) <= BULK:
        raise ValueError(f"name 1 to {BULK} decisions")
    with live.lock:
        live.refresh_decisions()
        by_motion: dict[str, list[str]] = {}
        for name in named:
            motion = live.book.motion_of(name)
            if motion is None:
                raise UnknownMotion("there is no such decision: nothing was taken back")
            if name not in live.book.standings[motion].withdrawn:
                by_motion.setdefault(motion, []).append(name)
        where = _where(live, list(by_motion))
        moment = moment_after(made for name in by_motion for made in live.book.history(name)[-1:])
        made = [
            Decision(motion_id=name, by=by, at=moment, withdraws=tuple(sorted(taken)))
            for name, taken in sorted(by_motion.items())
        ]
        asked = [m for name in named if (m := live.book.motion_of(name)) is not None]
        return _record(live, made, where, {}, asked)


def check_sizes(motion_ids: Sequence[str], said: Mapping[str, Any], by: str) -> None:
    """Refuse what is too long for the table or for a reader.

    Raises:
        ValueError: One sentence on what is too much.
    """
    if not 1 <= len(motion_ids) <= BULK:
        raise ValueError(f"decide on 1 to {BULK:,} motions at once, not {len(motion_ids):,}")
    if any(len(name) > MOTION_CHARS for name in motion_ids):
        raise ValueError(f"a motion's id has at most {MOTION_CHARS:,} characters")
    captions = said.get("captions") or ()
    if len(captions) > CAPTIONS or any(len(text) > CAPTION_CHARS for text in captions):
        raise ValueError(f"give at most {CAPTIONS} captions of {CAPTION_CHARS} characters each")
    if len(said.get("note") or "") > NOTE_CHARS:
        raise ValueError(f"a note has at most {NOTE_CHARS:,} characters")
    if len(by) > NAME_CHARS:
        raise ValueError(f"a curator's name has at most {NAME_CHARS} characters")


def told(standing: Standing | None) -> dict[str, Any]:
    """What holds for a motion, as the pages are told."""
    now = None if standing is None else standing.current
    return {
        "verdict": now.verdict if now else None,
        "captions": list(now.captions) if now and now.captions else None,
        "split": now.split if now else None,
        "note": now.note if now else None,
        "by": now.by if now else None,
        "at": now.at if now else None,
        "decision_id": standing.last.decision_id if standing else None,
    }


def told_history(decisions: Iterable[Decision], standing: Standing | None) -> list[dict[str, Any]]:
    """Every decision on a motion in the order given, and which other took it back."""
    withdrawn = standing.withdrawn if standing else {}
    return [
        {
            "decision_id": made.decision_id,
            "motion_id": made.motion_id,
            "at": made.at,
            "by": made.by,
            "verdict": made.verdict,
            "captions": None if made.captions is None else list(made.captions),
            "split": made.split,
            "note": made.note,
            "withdraws": list(made.withdraws),
            "withdrawn_by": withdrawn.get(made.decision_id),
        }
        for made in decisions
    ]


def _fields(said: Mapping[str, Any]) -> dict[str, Any]:
    verdict: Verdict | None = said.get("verdict")
    captions = said.get("captions")
    return {
        "verdict": verdict,
        "captions": None if captions is None else tuple(captions),
        "split": said.get("split"),
        "note": said.get("note"),
    }


def _recorded_before(
    live: LiveStore, made: Sequence[Decision], since: Mapping[str, Sequence[Decision]]
) -> dict[str, Decision]:
    """Of each motion the curator's last word since what was seen, where it says the same."""
    found = {}
    for wanted in made:
        mine = [one for one in since.get(wanted.motion_id, ()) if one.by == wanted.by][-1:]
        standing = live.book.standings.get(wanted.motion_id)
        for last in mine:
            said_the_same = replace(last, at=wanted.at) == wanted
            if said_the_same and standing and last.decision_id not in standing.withdrawn:
                found[wanted.motion_id] = last
    return found


def _where(live: LiveStore, motion_ids: list[str]) -> dict[str, str]:
    if live.readonly:
        raise StoreError(f"{live.store.location}: a version of a store can be read, not decided on")
    where = datasets_of(live.light(), motion_ids)
    unknown = [name for name in motion_ids if name not in where]
    if unknown:
        more = f" and {len(unknown) - UNKNOWN_SHOWN} more" if len(unknown) > UNKNOWN_SHOWN else ""
        named = ", ".join(f"'{name}'" for name in unknown[:UNKNOWN_SHOWN])
        raise UnknownMotion(f"the store has no motion {named}{more}: nothing was recorded")
    return where


def _record(
    live: LiveStore,
    made: Sequence[Decision],
    where: Mapping[str, str],
    meanwhile: Mapping[str, Sequence[Decision]],
    asked: Sequence[str] = (),
) -> dict[str, Any]:
    recorded = record_decisions(live.store, made, where) if made else 0
    live.refresh_decisions()
    named = dict.fromkeys([*asked, *(decision.motion_id for decision in made)])
    with live.cursor() as cursor:
        shown = shown_of(cursor, list(named))
    return {
        "recorded": recorded,
        "moments": sorted({decision.at for decision in made}),
        "decision_ids": [decision.decision_id for decision in made],
        "current": {
            name: told(live.book.standings.get(name))
            | {"effective": {field: shown[name][field] for field in EFFECTIVE}}
            for name in named
            if name in shown
        },
        "decided_meanwhile": [
            {"motion_id": name, "by": said[-1].by, "at": said[-1].at}
            for name, said in meanwhile.items()
            if said
        ],
    }
