"""The training step as CUDA graphs: the same arithmetic, launched as one.

A step of these small networks is thousands of short kernels, and launching them one by one takes
longer than running them. Here everything from drawing the batch to the optimizer is captured once
for each window length and then replayed. Random numbers come from the device's own generator, so
a resumed run is not the unbroken one to the last bit, as it is with `train_step`. On a CPU the same
steps are taken one by one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.data.training_data import MotionBank
from models.train.compiled_layers import compile_layers
from models.train.run_state import Run
from models.train.step_data import Fixed, draw_batch, draw_window
from models.train.train_step import (
    learning_rate,
    noised_inputs,
    step_losses,
    update_average,
)

WARM_UP_STEPS = 3
"""Ordinary steps before a capture, as CUDA graphs ask for; they count as training."""


@dataclass(frozen=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    losses: dict[str, Tensor]
    """Filled anew by every replay."""


class GraphedSteps:
    """Takes training steps of one run on one GPU."""

    def __init__(self, run: Run, bank: MotionBank) -> None:
        """Replace the run's optimizer by one that can be captured, with its state.

        Args:
            run: Its windows must be bucketed, so that shapes are fixed.
            bank: Training split on the run's device.

        Raises:
            ValueError: Windows are padded, the 3D of some motions is hidden, or clips are in the
                wild.
        """
        device = bank.rows.device
        if run.config.wild_ratio:
            raise ValueError(
                "captured steps take no in-the-wild clips: finetune with `crossdiff finetune`"
            )
        if not run.config.bucketed:
            raise ValueError("captured steps need bucketed windows")
        if run.config.accumulate > 1:
            raise ValueError("captured steps take a batch whole: leave accumulate at 1")
        self._run, self._bank = run, bank
        if run.config.compile:
            compile_layers(run.network)
        self.taken = 0
        self._fixed = Fixed.create(run, bank, device)
        if run.config.fraction_3d < 1.0:
            raise ValueError(
                "captured steps show all 3D: train a fraction of it with `crossdiff train`"
            )
        self._rate = torch.zeros((), device=device)
        self._windows = torch.Generator().manual_seed(run.config.seed + run.step)
        self._captured: dict[int, _Captured] = {}
        self._pool = torch.cuda.graph_pool_handle() if device.type == "cuda" else None
        state = run.optimizer.state_dict()
        run.optimizer = torch.optim.AdamW(
            run.network.parameters(),
            lr=self._rate,
            weight_decay=run.config.weight_decay,
            fused=device.type == "cuda",
            capturable=device.type == "cuda",
        )
        if state["state"]:
            run.optimizer.load_state_dict(state)
            on_gpu = device.type == "cuda"
            for group in run.optimizer.param_groups:
                group.update(lr=self._rate, fused=on_gpu, capturable=on_gpu)
        torch.manual_seed(run.config.seed * 1_000_003 + run.step)

    def _step(self, window: int) -> dict[str, Tensor]:
        run, config = self._run, self._run.config
        batch = draw_batch(run, self._bank, self._fixed, window, None)
        inputs = noised_inputs(batch, self._fixed.stats, self._fixed.process, config, None)
        kind, half = self._rate.device.type, config.precision == "bf16"
        with torch.autocast(kind, torch.bfloat16, enabled=half, cache_enabled=False):
            losses = step_losses(run, run.network, batch, inputs, self._fixed, None)
        total = config.weights.total(losses)
        total.backward()  # type: ignore[no-untyped-call]
        if config.gradient_clip:
            torch.nn.utils.clip_grad_norm_(run.network.parameters(), config.gradient_clip)
        run.optimizer.step()
        return {path: loss.detach() for path, loss in losses.items()}

    def _capture(self, window: int) -> _Captured:
        optimizer, graph = self._run.optimizer, torch.cuda.CUDAGraph()
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                self._eager(window)
        torch.cuda.current_stream().wait_stream(side)
        optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph, pool=self._pool):
            losses = self._step(window)
        return _Captured(graph, losses)

    def _eager(self, window: int) -> dict[str, Tensor]:
        self._run.optimizer.zero_grad(set_to_none=True)
        return self._step(window)

    def _replay(self, window: int) -> dict[str, Tensor]:
        if window not in self._captured:
            self._captured[window] = self._capture(window)
        self._captured[window].graph.replay()
        return self._captured[window].losses

    def step(self) -> dict[str, Tensor]:
        """One step; returns the unweighted loss of every path, on the device.

        The first step of a window also captures it and takes `WARM_UP_STEPS` more.
        """
        run = self._run
        self._rate.fill_(learning_rate(run.config, run.step, run.seconds))
        window = draw_window(run.config, self._windows)
        losses = self._eager(window) if self._rate.device.type == "cpu" else self._replay(window)
        run.step += 1
        self.taken += 1
        update_average(run)
        return losses
