"""How long an ablation has left to train, from the runs that are done."""

from collections.abc import Iterable
from dataclasses import dataclass

from models.evaluation.ablation_rows import ROWS, RowKey, run_name

FOUR_PATHS = 2.5
"""A step of all four paths in steps of 3D to 3D alone, as measured with the preset `tiny`."""
SECOND_STAGE = 0.5
"""Steps of Stage II for one of Stage I."""
_MINUTE_S = 60


@dataclass(frozen=True)
class Stage:
    """One stage of one run."""

    row: RowKey
    seed: int
    number: int
    """1 or 2."""

    @property
    def work(self) -> float:
        """In steps of 3D to 3D alone, for one step of Stage I."""
        if self.number == 2:
            return SECOND_STAGE
        return 1.0 if ROWS[self.row].only_3d else FOUR_PATHS

    def __str__(self) -> str:
        return f"{run_name(self.row, self.seed)}, Stage {'I' * self.number}"


def stages_of(rows: Iterable[RowKey], seeds: Iterable[int], *, second: bool) -> list[Stage]:
    """All stages in the order of training: a seed of every row before the next seed.

    So an ablation that is stopped has whole tables of fewer seeds.
    """
    numbers = (1, 2) if second else (1,)
    known = list(rows)
    return [Stage(row, seed, number) for seed in seeds for row in known for number in numbers]


def time_left(done: Iterable[tuple[Stage, float]], todo: Iterable[Stage]) -> str:
    """`h:mm` for what is left, or `unknown` before anything is done.

    Args:
        done: Stages that are trained, each with its seconds.
        todo: Those that are not.
    """
    finished = list(done)
    work = sum(stage.work for stage, _ in finished)
    if not work:
        return "unknown"
    rate = sum(seconds for _, seconds in finished) / work
    minutes = round(sum(stage.work for stage in todo) * rate / _MINUTE_S)
    return f"{minutes // 60}:{minutes % 60:02}"
