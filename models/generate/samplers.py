"""The samplers, as diffusers has them, on this project's noise schedule and at any step count."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from models.diffusion import STEPS, cosine_betas

SamplerName = Literal["ddpm", "ddim", "dpm++"]
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)


def sampling_timesteps(steps: int) -> list[int]:
    """Timesteps of a few-step run, falling, evenly spread, from pure noise (999) on.

    "Trailing" spacing (Lin et al. 2024, table 2): every step covers the same stretch, and the
    first one starts where training's last timestep is. In whole numbers: diffusers' own spacing
    rounds a float range, which for some counts gives one timestep too many.

    Raises:
        ValueError: Not 1 to 1000 steps.
    """
    if not 1 <= steps <= STEPS:
        raise ValueError(f"steps must be 1 to {STEPS}, not {steps}")
    return [(STEPS * k + steps // 2) // steps - 1 for k in range(steps, 0, -1)]


def make_scheduler(sampler: SamplerName, timesteps: Sequence[int]) -> Any:  # noqa: ANN401
    """A diffusers scheduler that steps from each timestep to the next, and from the last to x0.

    The network predicts x0 ("sample"), nothing is clipped, the variance of `ddpm` is that of the
    posterior ("fixed small"). `ddim` is the first-order DPM-Solver++, which is DDIM for any
    timesteps (Lu et al. 2022, section 4); diffusers' DDIMScheduler assumes steps of 1000 // n and
    so misses the next timestep where n does not divide 1000.

    Args:
        sampler: `ddpm` (Ho et al. 2020), `ddim` (Song et al. 2021) or `dpm++` (order 2, multistep).
        timesteps: Falling, each 0 to 999.

    Returns:
        A scheduler with `step`; it keeps the multistep solver's past and serves one run.
    """
    from diffusers import DDPMScheduler, DPMSolverMultistepScheduler  # noqa: PLC0415 - slow import

    common = {
        "num_train_timesteps": STEPS,
        "trained_betas": cosine_betas().tolist(),
        "prediction_type": "sample",
        "thresholding": False,
    }
    if sampler == "ddpm":
        scheduler = DDPMScheduler(variance_type="fixed_small", clip_sample=False, **common)
    else:
        order = 1 if sampler == "ddim" else 2
        scheduler = DPMSolverMultistepScheduler(
            algorithm_type="dpmsolver++", solver_order=order, final_sigmas_type="zero", **common
        )
    _use_exact_tables(scheduler)
    scheduler.set_timesteps(timesteps=list(timesteps))
    return scheduler


def _use_exact_tables(scheduler: Any) -> None:  # noqa: ANN401
    """Give a scheduler its tables in float64.

    It makes them in float32, where 1 - alpha_bar, 4e-5 at t = 0, has three right digits only.
    """
    betas = cosine_betas()
    scheduler.betas, scheduler.alphas = betas, 1.0 - betas
    scheduler.alphas_cumprod = torch.cumprod(scheduler.alphas, dim=0)
    scheduler.one = torch.ones((), dtype=torch.float64)


def step(
    scheduler: Any,  # noqa: ANN401
    x0: Tensor,
    t: int,
    x: Tensor,
    generators: Sequence[torch.Generator],
) -> Tensor:
    """One reverse step: x at the timestep after `t`.

    Args:
        scheduler: From `make_scheduler`.
        x0: (B, T, D) the network's estimate at `t`.
        t: Timestep of `x`.
        x: (B, T, D).
        generators: One per row of the batch, so that a row's noise is its own; only `ddpm` draws.
    """
    out: Tensor = scheduler.step(x0, t, x, generator=list(generators)).prev_sample
    return out


def draw(
    shape: tuple[int, int], generators: Sequence[torch.Generator], device: torch.device
) -> Tensor:
    """(B, *shape) standard normal noise, each row from its own generator."""
    return torch.stack([torch.randn(shape, generator=g, device=device) for g in generators])
