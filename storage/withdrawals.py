"""Taking back what somebody decided last: one more decision, that names it."""

from collections.abc import Iterable

from storage.decisions import Decision, fold, moment_after, read_decisions
from storage.store import Store


def last_withdrawn(store: Store, motion_ids: Iterable[str], by: str) -> list[Decision]:
    """What takes back somebody's last decision on each motion; recording it is left to the caller.

    Withdrawals themselves are not meant: who takes back twice takes back two decisions.

    Args:
        store: The store.
        motion_ids: Which motions.
        by: Whose decisions.

    Raises:
        ValueError: Nothing of theirs stands on a motion.
        StoreError: The decisions cannot be read.
    """
    named = dict.fromkeys(motion_ids)
    histories: dict[str, list[Decision]] = {name: [] for name in named}
    for decision in read_decisions(store):
        if decision.motion_id in histories:
            histories[decision.motion_id].append(decision)
    moment = moment_after(made for history in histories.values() for made in history)
    return [
        Decision(motion_id=name, by=by, at=moment, withdraws=(_last(name, history, by),))
        for name, history in histories.items()
    ]


def _last(motion_id: str, history: list[Decision], by: str) -> str:
    withdrawn = fold(history).withdrawn if history else {}
    mine = [
        made.decision_id
        for made in history
        if made.by == by and not made.withdraws and made.decision_id not in withdrawn
    ]
    if not mine:
        raise ValueError(
            f"{by} has decided nothing on {motion_id} that still stands: nothing was taken back; "
            "--by NAME names somebody else"
        )
    return mine[-1]
