"""The noise schedule and the forward process."""

import numpy as np
import pytest
import torch

from models.diffusion import STEPS, ForwardProcess, cosine_betas


@pytest.fixture(scope="module")
def reference(shared):
    with np.load(shared / "reference" / "diffusion.npz") as arrays:
        return dict(arrays)


@pytest.mark.shared
def test_schedule_equals_the_published_one_exactly(reference):
    betas = cosine_betas()
    assert betas.dtype == torch.float64
    np.testing.assert_array_equal(betas.numpy(), reference["betas"])
    np.testing.assert_array_equal(
        np.cumprod(1.0 - betas.numpy(), axis=0), reference["alphas_cumprod"]
    )


@pytest.mark.shared
def test_noising_equals_the_published_process(reference):
    x0, noise, t = (torch.from_numpy(reference[k]) for k in ("x0", "noise", "t"))
    ours = ForwardProcess.create().add_noise(x0, t, noise)
    np.testing.assert_allclose(ours.numpy(), reference["xt"], atol=1e-5)


def test_variance_is_kept_and_the_signal_fades():
    process = ForwardProcess.create()
    torch.testing.assert_close(process.signal**2 + process.noise**2, torch.ones(STEPS))
    assert (process.signal.diff() < 0).all()
    assert process.signal[0] > 0.9999
    assert process.signal[-1] < 0.01


def test_each_sample_gets_its_own_timestep():
    process = ForwardProcess.create()
    x0, noise = torch.ones(2, 3, 4), torch.zeros(2, 3, 4)
    out = process.add_noise(x0, torch.tensor([0, 999]), noise)
    torch.testing.assert_close(out[0], process.signal[0].expand(3, 4))
    torch.testing.assert_close(out[1], process.signal[999].expand(3, 4))
