"""What a preparation did: counts while it runs, and the report at its end."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from models.data.motion import Motion
from pipeline.rejects import Reject

SHOWN_REJECTS = 10
NEEDED_SPLITS = ("train", "val")
"""Training learns from one and measures itself on the other."""


@dataclass
class Tally:
    """Counts of one run, and what the store held before it."""

    known: dict[str, str]
    """Motion id -> source hash of what the data set holds already."""
    foreign: dict[str, str]
    """Motion id -> data set of what other data sets of the store hold."""
    by_split: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    rejected: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def is_new(self, motion: Motion) -> bool:
        """Whether the motion has to be stored; one that cannot be is noted as a reject."""
        name = motion.motion_id
        if name in self.seen:
            self.reject(Reject(name, "another item of the data set has the same id"))
            return False
        self.seen.add(name)
        if name in self.foreign:
            where = f"data set '{self.foreign[name]}' of this store has a motion of this id"
            self.reject(Reject(name, f"{where}: use another store"))
            return False
        if name not in self.known:
            return True
        stored = self.known[name]
        if stored and motion.source_hash and stored != motion.source_hash:
            why = "it changed since it was stored: use another --dataset name or another store"
            self.reject(Reject(name, why))
        else:
            self._count(motion, "known")
        return False

    def count(self, motion: Motion) -> None:
        """Note a motion that is going to be stored."""
        self._count(motion, "stored")

    def reject(self, item: Reject) -> None:
        """Note an item that cannot be used."""
        self.rejected[item.name] = item.reason

    def _count(self, motion: Motion, kind: str) -> None:
        told = "told" if motion.captions else "untold"
        mirror = "mirrored" if motion.mirrored else "original"
        self.kinds.update([kind, told, mirror])
        self.by_split.update([motion.split])

    @property
    def any_stored(self) -> bool:
        """Whether the data set holds motions now."""
        return bool(self.known) or bool(self.kinds["stored"])

    @property
    def stored_now(self) -> int:
        """Motions that this run added."""
        return self.kinds["stored"]

    @property
    def known_again(self) -> int:
        """Motions that were there before and came again."""
        return self.kinds["known"]

    @property
    def in_store(self) -> int:
        """Motions of the data set that are stored now."""
        return len(self.seen.difference(self.rejected).union(self.known))

    @property
    def mirrored(self) -> int:
        """Mirrored ones among the motions of this source."""
        return self.kinds["mirrored"]

    @property
    def without_caption(self) -> int:
        """Motions of this source that have no caption."""
        return self.kinds["untold"]


@dataclass(frozen=True)
class PrepareReport:
    """What a preparation of one data set did."""

    store: str
    dataset: str
    motions: int
    """Added by this run, mirrored copies included."""
    known: int
    """Stored before, left alone."""
    in_store: int
    """Motions of the data set in the store now."""
    by_split: dict[str, int]
    """Motions of this source, added or known."""
    mirrored: int
    without_caption: int
    empty_splits: tuple[str, ...]
    """Of those that training needs, the ones in which the data set has no motion in the store."""
    statistics_of: int
    """Motions of the training split that the statistics are of."""
    captions: int
    """Distinct sentences that were embedded."""
    text_encoder: str
    rejected: dict[str, str]
    """Name -> why it could not be used."""
    seconds: float

    def data(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def lines(self, remedy: str = "") -> list[str]:
        """For a terminal.

        Args:
            remedy: What fills an empty split, in the words of the reader.
        """
        splits = ", ".join(f"{name} {self.by_split[name]}" for name in sorted(self.by_split))
        out = [
            f"{self.dataset}: {self.motions} motions added, {self.known} known, "
            f"{self.in_store} in {self.store} ({self.seconds:.0f} s)",
            f"  {splits or 'none'}; {self.mirrored} mirrored, {self.without_caption} without "
            f"caption, {len(self.rejected)} rejected",
        ]
        shown = list(self.rejected.items())[:SHOWN_REJECTS]
        out += [f"  rejected {name}: {reason}" for name, reason in shown]
        if len(self.rejected) > SHOWN_REJECTS:
            out.append("  ... all of them with --json")
        if self.in_store:
            tail = f"; {remedy}" if remedy else ""
            out += [f"  no motion in {s}: train needs one{tail}" for s in self.empty_splits]
        return out
