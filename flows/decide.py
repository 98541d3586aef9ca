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
from storage.store import Store, open_store


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


def run_decide(options: DecideOptions) -> tuple[dict[str, Any], list[str]]:
    """Record one decision for each motion.

    Returns:
        The facts for `--json`, and lines to print.

    Raises:
        ValueError: Contradicting or missing words, a bad split.
        UnknownMotion: A motion that the store does not have; then nothing is recorded.
        StoreError: The store cannot be written.
    """
    verdict = _verdict(options)
    store = open_store(options.store)
    moment = moment_to_decide(store, options.motion_ids)
    new = record_decisions(store, _decisions(options, verdict, moment))
    now = current_decisions(store)
    current = [_plain(now[name]) for name in dict.fromkeys(options.motion_ids)]
    data = {
        "store": options.store,
        "recorded": new,
        "decisions_version": decisions_version(store),
        "current": current,
    }
    return data, [f"{new} decisions recorded", *map(_line, current)]


def verdicts_of(store: Store) -> dict[str, str]:
    """Motion id -> the verdict that holds now, where there is one.

    Raises:
        StoreError: The store cannot be read.
    """
    now = current_decisions(store)
    return {name: made.verdict for name, made in now.items() if made.verdict is not None}


def _verdict(options: DecideOptions) -> Verdict | None:
    if not options.motion_ids:
        raise ValueError("say which motions: `crossdiff ls --motions` lists their ids")
    if len(options.verdicts) > 1:
        named = " and ".join(f"--{verdict}" for verdict in options.verdicts)
        raise ValueError(f"{named} contradict each other: give one of them")
    return next(iter(options.verdicts), None)


def _decisions(options: DecideOptions, verdict: Verdict | None, moment: datetime) -> list[Decision]:
    return [
        Decision(
            motion_id=motion_id,
            by=_curator(options.by),
            at=moment,
            verdict=verdict,
            captions=options.captions or None,
            split=options.split,
            note=options.note,
        )
        for motion_id in dict.fromkeys(options.motion_ids)
    ]


def _curator(by: str | None) -> str:
    if by is not None:
        return by
    try:
        return getuser()
    except (KeyError, OSError):  # a container's user without a name
        raise ValueError("this machine does not say who you are: add --by NAME") from None


def _plain(made: Decision) -> dict[str, Any]:
    return {
        "motion_id": made.motion_id,
        "verdict": made.verdict,
        "captions": None if made.captions is None else list(made.captions),
        "split": made.split,
        "note": made.note,
        "by": made.by,
        "at": made.at.isoformat(),
    }


def _line(row: dict[str, Any]) -> str:
    said: Sequence[str] = [
        f"{name} {row[name]}" for name in ("verdict", "split", "captions", "note") if row[name]
    ]
    return f"{row['motion_id']}: {', '.join(said)}"
