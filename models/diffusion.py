"""The forward process: 1000 steps, cosine schedule (Nichol & Dhariwal 2021), x0 prediction."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

STEPS = 1000
LARGEST_BETA = 0.999
COSINE_OFFSET = 0.008


def cosine_betas(steps: int = STEPS) -> Tensor:
    """(steps,) float64: beta_t = 1 - alpha_bar(t+1) / alpha_bar(t), capped."""

    def alpha_bar(u: float) -> float:
        return math.cos((u + COSINE_OFFSET) / (1 + COSINE_OFFSET) * math.pi / 2) ** 2

    ratios = [alpha_bar((i + 1) / steps) / alpha_bar(i / steps) for i in range(steps)]
    betas = torch.tensor([min(1 - r, LARGEST_BETA) for r in ratios], dtype=torch.float64)
    # As the published code does: anew from their cumulative product, which changes the last bit.
    product = torch.cumprod(1 - betas, dim=0)
    return 1 - product / torch.cat([torch.ones(1, dtype=torch.float64), product[:-1]])


@dataclass(frozen=True)
class ForwardProcess:
    """q(x_t | x_0) = N(sqrt(alpha_bar_t) x_0, 1 - alpha_bar_t)."""

    signal: Tensor
    """(STEPS,) sqrt(alpha_bar)."""
    noise: Tensor
    """(STEPS,) sqrt(1 - alpha_bar)."""

    @staticmethod
    def create(device: torch.device | str = "cpu") -> "ForwardProcess":
        """The paper's schedule, float32 on a device."""
        alpha_bar = torch.cumprod(1 - cosine_betas(), dim=0)
        return ForwardProcess(
            alpha_bar.sqrt().float().to(device), (1 - alpha_bar).sqrt().float().to(device)
        )

    def add_noise(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t for clean (B, T, D), timesteps (B,) and standard normal noise (B, T, D)."""
        return self.signal[t, None, None] * x0 + self.noise[t, None, None] * noise
