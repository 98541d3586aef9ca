"""Random streams of training batches: one generator a step, on the batch's device."""

import torch


def device_generator(g: torch.Generator, device: torch.device) -> torch.Generator:
    """A generator on `device`, seeded from `g`, so that no draw has to travel there."""
    if device.type == "cpu":
        return g
    seed = int(torch.randint(0, 2**62, (1,), generator=g))
    return torch.Generator(device).manual_seed(seed)
