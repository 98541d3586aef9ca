"""`crossdiff decide`."""

from typing import Literal

from tyro.conf import Positional

from flows.commands.outcome import Outcome


def decide(
    motion_ids: Positional[tuple[str, ...]] = (),
    /,
    *,
    store: str,
    keep: bool = False,
    drop: bool = False,
    needs_work: bool = False,
    caption: tuple[str, ...] = (),
    split: Literal["train", "val", "test"] | None = None,
    by: str | None = None,
    note: str | None = None,
    undo: bool = False,
    json: bool = False,
) -> Outcome:
    """Say what you think of motions; of each kind of statement the last one counts.

    Args:
        motion_ids: As `crossdiff ls --motions` prints them.
        store: The store; decisions hold for all its versions.
        keep: Good as it is.
        drop: Not to be trained on.
        needs_work: Not yet to be trained on.
        caption: Sentences that replace the motion's own, each in quotes.
        split: Where the motion belongs.
        by: Who decides; default: the user of this machine.
        note: Why, in your own words.
        undo: Take back your last decision on each motion; it stays in the history.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.decide import DecideOptions, run_decide  # noqa: PLC0415
    from storage.decisions import VERDICTS  # noqa: PLC0415

    said = zip(VERDICTS, (keep, drop, needs_work), strict=True)
    verdicts = tuple(verdict for verdict, given in said if given)
    options = DecideOptions(store, motion_ids, verdicts, caption, split, by, note, undo)
    return Outcome(*run_decide(options))
