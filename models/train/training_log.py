"""What a run tells while it goes on: a progress line, TensorBoard scalars, a validation log."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import is_tensorboard_available

from models.lifting.lift_metrics import LiftErrors
from models.train.run_state import Run
from models.train.step_clock import StepClock
from models.train.train_step import learning_rate

TENSORBOARD = "tensorboard"
VALIDATION_LOG = "validation.jsonl"
MILLISECONDS = 1000.0


@dataclass
class Pace:
    """Steps a second, without the time that validating and saving take."""

    first: int
    """The step at which this process began."""
    began: float = field(default_factory=time.monotonic)
    paused: float = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the process began to train, pauses included."""
        return time.monotonic() - self.began

    @contextmanager
    def pause(self) -> Iterator[None]:
        """What happens inside is not training."""
        before = time.monotonic()
        yield
        self.paused += time.monotonic() - before

    def rate(self, step: int) -> float:
        """Steps a second."""
        return (step - self.first) / max(self.elapsed - self.paused, 1e-9)

    def seconds_left(self, run: Run) -> float:
        """Until the run's last step or the end of its budget, whichever comes first."""
        by_steps = (run.config.steps - run.step) / self.rate(run.step)
        budget = run.config.budget_seconds
        return min(by_steps, budget - run.seconds) if budget else by_steps


def progress_line(run: Run, losses: Mapping[str, float], pace: Pace) -> str:
    """One line for people."""
    shown = ", ".join(f"{path} {loss:.4f}" for path, loss in losses.items())
    minutes, seconds = divmod(round(max(pace.seconds_left(run), 0.0)), 60)
    left = f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return (
        f"step {run.step}/{run.config.steps}  {pace.rate(run.step):.1f} it/s  ETA {left}  {shown}"
    )


def train_scalars(
    run: Run, losses: Mapping[str, float], pace: Pace, clock: StepClock
) -> dict[str, float]:
    """What TensorBoard shows of a step."""
    return {
        **{f"train/loss {path}": loss for path, loss in losses.items()},
        "train/learning rate": learning_rate(run.config, run.step - 1, run.seconds),
        "train/steps per second": pace.rate(run.step),
        **{f"milliseconds/{part}": MILLISECONDS * s for part, s in clock.seconds.items()},
    }


def validation_record(run: Run, losses: Mapping[str, float], errors: LiftErrors) -> dict[str, Any]:
    """A line of the validation log."""
    return {"step": run.step, **vars(errors), **{f"loss {k}": v for k, v in losses.items()}}


def validation_scalars(record: Mapping[str, Any]) -> dict[str, float]:
    """What TensorBoard shows of a validation."""
    told = ("loss ", "mpjpe", "pa_mpjpe")
    return {f"validation/{k}": float(v) for k, v in record.items() if k.startswith(told)}


def validation_line(record: Mapping[str, Any], *, better: bool) -> str:
    """One line for people."""
    losses = (f"{k.removeprefix('loss ')} {v:.4f}" for k, v in record.items() if "loss" in k)
    return (
        f"validation: MPJPE {record['mpjpe_mm']:.1f} mm, PA-MPJPE {record['pa_mpjpe_mm']:.1f} mm"
        f"{' (best)' if better else ''}, losses {', '.join(losses)}"
    )


def append_record(out: Path, record: Mapping[str, Any]) -> None:
    """Add a line to the validation log."""
    with (out / VALIDATION_LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(record) + "\n")


def forget_after(out: Path, step: int) -> None:
    """Drop the validation log's lines of steps that are about to be done again."""
    log = out / VALIDATION_LOG
    if log.exists():
        lines = [line for line in log.read_text().splitlines() if _logged_step(line) <= step]
        partial = log.with_suffix(".partial")  # a kill here must not cost the whole log
        partial.write_text("".join(f"{line}\n" for line in lines))
        partial.replace(log)


def _logged_step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except ValueError:  # cut off by a kill
        return math.inf


def make_accelerator(precision: str, out: Path) -> Accelerator:
    """An accelerator that writes TensorBoard files under `out` where TensorBoard is installed."""
    trackers = [TENSORBOARD] if is_tensorboard_available() else None
    return Accelerator(mixed_precision=precision, log_with=trackers, project_dir=out)


@contextmanager
def scalars(accelerator: Accelerator, step: int, say: Callable[[str], None]) -> Iterator[None]:
    """Open the trackers; curves go on at `step`, without what an interrupted part wrote later."""
    if not accelerator.log_with:
        say("TensorBoard is not installed: no curves, only the validation log")
    purge = {"purge_step": step + 1} if step else {}
    accelerator.init_trackers(TENSORBOARD, init_kwargs={TENSORBOARD: purge})
    try:
        yield
    finally:
        for tracker in accelerator.trackers:
            tracker.finish()
