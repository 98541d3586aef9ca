"""`crossdiff decide`: what a curator says about motions, written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from getpass import getuser
from typing import Any

from storage.decisions import (
    Decision,
    Verdict,
    current_decisions,
    decisions_version,
    moment_to_decide,
    record_decisions,
)
from storage.store import open_store
from storage.withdrawals import last_withdrawn


@dataclass(frozen=True)
class DecideOptions:
    """What is said, of which motions; see `crossdiff decide --help`."""

    store: str
    motion_ids: tuple[str, ...]
    verdicts: tuple[Verdict, ...] = ()
    """At most one."""
    captions: tuple[str, ...] = ()
    """None given: the captions were not spoken of."""
    split: str | None = None
    by: str | None = None
    """None: the user of this machine."""
    note: str | None = None
    undo: bool = False
    """Take back one's last decision on each motion; nothing else may be said then."""


def run_decide(options: DecideOptions) -> tuple[dict[str, Any], list[str]]:
    """Record one decision for each motion, or take the last one back.

    Returns:
        The facts for `--json`, and lines to print.

    Raises:
        ValueError: Contradicting or missing words, a bad split, nothing to take back.
        UnknownMotion: A motion that the store does not have; then nothing is recorded.
        StoreError: The store cannot be written.
    """
    verdict = _verdict(options)
    store = open_store(options.store)
    if options.undo:
        made = last_withdrawn(store, options.motion_ids, curator(options.by))
    else:
        made = _decisions(options, verdict, moment_to_decide(store, options.motion_ids))
    new = record_decisions(store, made)
    now = current_decisions(store)
    current = [_plain(name, now.get(name)) for name in dict.fromkeys(options.motion_ids)]
    data = {
        "store": options.store,
        "recorded": new,
        "decisions_version": decisions_version(store),
        "current": current,
    }
    done = "taken back" if options.undo else "recorded"
    return data, [f"{new} decisions {done}", *map(_line, current)]


def _verdict(options: DecideOptions) -> Verdict | None:
    if not options.motion_ids:
        raise ValueError("say which motions: `crossdiff ls --motions` lists their ids")
    if len(options.verdicts) > 1:
        named = " and ".join(f"--{verdict}" for verdict in options.verdicts)
        raise ValueError(f"{named} contradict each other: give one of them")
    said = (options.verdicts, options.captions, options.split, options.note)
    if options.undo and any(said):
        raise ValueError("--undo takes a decision back: say nothing else with it")
    return next(iter(options.verdicts), None)


def _decisions(options: DecideOptions, verdict: Verdict | None, moment: datetime) -> list[Decision]:
    return [
        Decision(
            motion_id=motion_id,
            by=curator(options.by),
            at=moment,
            verdict=verdict,
            captions=options.captions or None,
            split=options.split,
            note=options.note,
        )
        for motion_id in dict.fromkeys(options.motion_ids)
    ]


def curator(by: str | None) -> str:
    """Who decides: as said, or the user of this machine.

    Raises:
        ValueError: Neither is known.
    """
    if by is not None:
        return by
    try:
        return getuser()
    except (KeyError, OSError):  # a container's user without a name
        raise ValueError("this machine does not say who you are: add --by NAME") from None


def _plain(motion_id: str, made: Decision | None) -> dict[str, Any]:
    """What holds for a motion; None: everything that was said was taken back."""
    captions = None if made is None else made.captions
    return {
        "motion_id": motion_id,
        "verdict": made.verdict if made else None,
        "captions": None if captions is None else list(captions),
        "split": made.split if made else None,
        "note": made.note if made else None,
        "by": made.by if made else None,
        "at": made.at.isoformat() if made else None,
    }


def _line(row: dict[str, Any]) -> str:
    said: Sequence[str] = [
        f"{name} {row[name]}" for name in ("verdict", "split", "captions", "note") if row[name]
    ]
    return f"{row['motion_id']}: {', '.join(said) or 'nothing is decided'}"
