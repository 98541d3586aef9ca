"""Reverse diffusion along CrossDiff's paths: in 3D, in 2D, or in 2D first and then in 3D."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from models.diffusion import STEPS, ForwardProcess
from models.generate.samplers import (
    SAMPLERS,
    SamplerName,
    draw,
    make_scheduler,
    sampling_timesteps,
    step,
)
from models.network import CrossDiff, Dim

Mode = Literal["3d", "2d", "mixture"]
MODES: tuple[Mode, ...] = get_args(Mode)
GUIDANCE = 2.5
"""Guidance scale of the paper."""
ALPHA = 300
"""The paper's best: mixture changes to 3D near 0.3 of the way."""
FEW_STEPS = 50
"""With the shipped weights 20 steps draw smaller moves: their card has the comparison."""

Predict = Callable[[Tensor, int, Dim, Dim], Tensor]
"""(x (B, T, D source), timestep, source, target) -> clean (B, T, D target)."""
StepDone = Callable[[], object]


def default_sampler(steps: int) -> SamplerName:
    """What the paper uses at its step count; below, the solver made for few steps."""
    return "ddpm" if steps == STEPS else "dpm++"


@dataclass(frozen=True)
class SampleSettings:
    """How to sample. Everything here changes the numbers of a motion."""

    mode: Mode = "3d"
    alpha: int = ALPHA
    """`mixture`: the timestep at which 2D becomes 3D, 0 (at the very end) to 999 (at once)."""
    guidance: float = GUIDANCE
    """1 is none, 0 ignores the text."""
    steps: int = FEW_STEPS
    sampler: SamplerName = "dpm++"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, not {self.mode}")
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, not {self.sampler}")
        if not 0 <= self.alpha < STEPS:
            raise ValueError(f"alpha must be 0 to {STEPS - 1}, not {self.alpha}")
        if not 0.0 <= self.guidance <= 100.0:  # NaN fails too
            raise ValueError(f"guidance must be 0 to 100, not {self.guidance}")
        sampling_timesteps(self.steps)

    @property
    def output(self) -> Dim:
        """The dimension of what comes out."""
        return "2d" if self.mode == "2d" else "3d"


def network_predictor(
    network: CrossDiff,
    text: Tensor,
    guidance: float,
    *,
    pad: Tensor | None = None,
    valid: Tensor | None = None,
    bf16: bool = False,
) -> Predict:
    """The network's estimate with classifier-free guidance (Ho & Salimans 2022).

    x0 = uncond + guidance (cond - uncond), both from one batched pass of twice the rows; at
    guidance 1 and 0 one of the two is all that is needed.

    Args:
        network: In eval mode.
        text: (B, text_dim) embeddings.
        guidance: Scale.
        pad: (B, T) True on frames to hide from attention, or None.
        valid: (B, T, 1) multiplies the input: zero on padding; None where there is none.
        bf16: Compute in bfloat16 where the device can (autocast); the result is float32.
    """
    both = guidance not in (0.0, 1.0)
    texts = torch.cat([text, torch.zeros_like(text)]) if both else text * guidance
    pads = torch.cat([pad, pad]) if both and pad is not None else pad

    def predict(x: Tensor, t: int, source: Dim, target: Dim) -> Tensor:
        x = x if valid is None else x * valid
        rows = torch.cat([x, x]) if both else x
        when = torch.full((len(rows),), t, dtype=torch.long, device=x.device)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            out = network.path(rows, source, target, when, texts, pad=pads)
        out = out.float()
        if not both:
            return out
        told, untold = out.chunk(2)
        return untold + guidance * (told - untold)

    return predict


@dataclass(frozen=True)
class Held:
    """A part of the 3D motion that is given: what an earlier motion ended with."""

    values: Tensor
    """(B, T, D3) normalised."""
    weight: Tensor
    """(B, T, 1): 1 keeps the given value, 0 leaves the network's."""

    def apply(self, x0: Tensor) -> Tensor:
        """Put the given values into an estimate, where they are weighed in."""
        return self.weight * self.values + (1.0 - self.weight) * x0


def sample(
    predict: Predict,
    settings: SampleSettings,
    frames: int,
    widths: dict[Dim, int],
    generators: Sequence[torch.Generator],
    *,
    device: torch.device,
    held: Held | None = None,
    done: StepDone = lambda: None,
) -> Tensor:
    """Draw a batch of motions.

    `mixture`: denoise in 2D while t > alpha; at the first timestep not above alpha take the 2D->3D
    estimate, noise it to the timestep after, and go on in 3D with a fresh solver, whose past would
    be of the other dimension. Where no timestep is as low as alpha, or none is left after it, the
    2D->3D estimate is the result.

    Args:
        predict: The network, as `network_predictor` makes it.
        settings: How to sample.
        frames: T.
        widths: D of each dimension.
        generators: One per motion, on `device`: a motion's noise depends on its own alone.
        device: Where to compute.
        held: Part of the 3D motion that is given; ignored in 2D.
        done: Called after every step (the device may still be at work).

    Returns:
        (B, T, D of `settings.output`), normalised.
    """
    times = sampling_timesteps(settings.steps)
    dim: Dim = "3d" if settings.mode == "3d" else "2d"
    x = draw((frames, widths[dim]), generators, device)
    if settings.mode != "mixture":
        return _denoise(
            predict, settings.sampler, times, len(times), dim, x, generators, held, done
        )
    switch = switch_index(times, settings.alpha)
    x = _denoise(predict, settings.sampler, times, switch, "2d", x, generators, None, done)
    x0 = predict(x, times[switch], "2d", "3d")
    x0 = x0 if held is None else held.apply(x0)
    done()
    rest = times[switch + 1 :]
    if not rest:
        return x0
    when = torch.full((len(x0),), rest[0], dtype=torch.long, device=device)
    noise = draw((frames, widths["3d"]), generators, device)
    x = ForwardProcess.create(device).add_noise(x0, when, noise)
    return _denoise(predict, settings.sampler, rest, len(rest), "3d", x, generators, held, done)


def switch_index(timesteps: Sequence[int], alpha: int) -> int:
    """Which step of a mixture goes from 2D to 3D: the first not above alpha, or the last of all."""
    return next((i for i, t in enumerate(timesteps) if t <= alpha), len(timesteps) - 1)


def _denoise(
    predict: Predict,
    sampler: SamplerName,
    timesteps: Sequence[int],
    stop: int,
    dim: Dim,
    x: Tensor,
    generators: Sequence[torch.Generator],
    held: Held | None,
    done: StepDone,
) -> Tensor:
    """The first `stop` steps within one dimension: x at `timesteps[stop]`, or x0 after the last."""
    if stop == 0:
        return x
    scheduler = make_scheduler(sampler, timesteps)
    for i, t in enumerate(timesteps[:stop]):
        x0 = predict(x, t, dim, dim)
        if held is not None and dim == "3d":
            x0 = held.apply(x0)
        # The step after the last timestep ends in x0 itself, without rounding.
        x = x0 if i == len(timesteps) - 1 else step(scheduler, x0, t, x, generators)
        done()
    return x
