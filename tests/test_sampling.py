"""The samplers: the published process in every coefficient, any step count, every mode."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from training_victim import TINY_NETWORK

from models.diffusion import STEPS, ForwardProcess, cosine_betas
from models.generate.samplers import SAMPLERS, draw, make_scheduler, sampling_timesteps, step
from models.generate.sampling import (
    Held,
    SampleSettings,
    default_sampler,
    network_predictor,
    sample,
    switch_index,
)
from models.network import CrossDiff

WIDTHS = {"3d": 5, "2d": 3}
CPU = torch.device("cpu")
FEW = (1, 2, 3, 7, 20, 30, 999, 1000)


def generators(count=2, seed=0):
    return [torch.Generator().manual_seed(seed + i) for i in range(count)]


@pytest.fixture(scope="module")
def reference(shared):
    with np.load(shared / "reference" / "diffusion.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def ddpm():
    return make_scheduler("ddpm", sampling_timesteps(STEPS))


def ddpm_step(scheduler, t, x0, x):
    """What `step` does with one row of float64 values, and the noise it adds."""
    shape = (1, 1, 1)
    values = (torch.full(shape, v, dtype=torch.float64) for v in (x0, x))
    x0, x = values
    out = scheduler.step(x0, t, x, generator=torch.Generator().manual_seed(7)).prev_sample
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    return float(out), float(noise)


@pytest.mark.shared
def test_the_tables_of_the_ddpm_scheduler_are_the_published_ones(reference, ddpm):
    np.testing.assert_array_equal(ddpm.betas.numpy(), reference["betas"])
    np.testing.assert_allclose(ddpm.alphas_cumprod, reference["alphas_cumprod"], rtol=1e-12)


@pytest.mark.shared
def test_every_ddpm_step_has_the_published_coefficients_and_variance(reference, ddpm):
    """Read off what `step` returns for unit inputs, at all thousand timesteps."""
    for t in range(STEPS):
        still, noise = ddpm_step(ddpm, t, 0.0, 0.0)
        of_x0, of_x = (ddpm_step(ddpm, t, *v)[0] - still for v in ((1.0, 0.0), (0.0, 1.0)))
        assert of_x0 == pytest.approx(reference["posterior_mean_coef1"][t], rel=1e-9, abs=1e-12)
        assert of_x == pytest.approx(reference["posterior_mean_coef2"][t], rel=1e-9, abs=1e-12)
        if t == 0:
            assert still == 0.0  # the last step adds no noise
        else:
            log_variance = 2 * np.log(abs(still / noise))
            expected = reference["posterior_log_variance_clipped"][t]
            assert log_variance == pytest.approx(expected, abs=1e-9)


@pytest.mark.shared
def test_a_float32_ddpm_step_is_the_published_posterior(reference, ddpm):
    x0, xt = (torch.from_numpy(reference[k]) for k in ("x0", "xt"))
    for i, t in enumerate(reference["t"].tolist()):
        out = step(ddpm, x0[i : i + 1], t, xt[i : i + 1], generators(1))
        noise = torch.randn(1, *x0.shape[1:], generator=generators(1)[0])
        deviation = np.exp(0.5 * reference["posterior_log_variance_clipped"][t]) * (t > 0)
        mean = out[0] - float(deviation) * noise[0]
        np.testing.assert_allclose(mean, reference["posterior_mean"][i], atol=2e-6)


def test_ddpm_noise_is_the_forward_process():
    scheduler, process = make_scheduler("ddpm", [999]), ForwardProcess.create()
    x0, noise = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
    t = torch.tensor([0, 500, 999])
    theirs = scheduler.add_noise(x0.double(), noise.double(), t)
    torch.testing.assert_close(process.add_noise(x0, t, noise).double(), theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("steps", [10, 20, 50])
def test_ddim_is_diffusers_ddim_where_that_is_right(steps):
    times = sampling_timesteps(steps)
    ours = make_scheduler("ddim", times)
    theirs = DDIMScheduler(
        trained_betas=cosine_betas().tolist(), prediction_type="sample", clip_sample=False,
        timestep_spacing="trailing",
    )  # fmt: skip
    theirs.set_timesteps(steps)
    assert theirs.timesteps.tolist() == times
    theirs.alphas_cumprod = torch.cumprod(1 - cosine_betas(), dim=0)
    a = b = torch.randn(2, 3, 4)
    for i, t in enumerate(times):
        x0 = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(i))
        a = step(ours, x0, t, a, generators())
        b = theirs.step(x0, t, b).prev_sample
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_the_second_order_solver_differs_from_the_first_once_it_has_a_past():
    times = sampling_timesteps(5)
    first, second = (make_scheduler(name, times) for name in ("ddim", "dpm++"))
    x, outs = torch.ones(1, 2, 3), []
    for i, t in enumerate(times[:2]):
        outs.append([step(s, torch.full_like(x, i), t, x, []) for s in (first, second)])
    torch.testing.assert_close(*outs[0])
    assert not torch.allclose(*outs[1])


def test_timesteps_fall_evenly_from_999_for_every_count():
    for steps in range(1, STEPS + 1):
        times = sampling_timesteps(steps)
        assert len(times) == steps
        assert times[0] == 999
        gaps = -np.diff([*times, -1])
        assert gaps.min() >= 1
        assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("mode", ["3d", "2d", "mixture"])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", FEW)
def test_every_sampler_ends_in_what_a_perfect_network_says(sampler, steps, mode):
    truth = {"3d": torch.randn(2, 4, 5), "2d": torch.randn(2, 4, 3)}
    seen = []

    def predict(x, t, source, target):
        assert x.shape == truth[source].shape
        assert x.isfinite().all()
        seen.append((t, source, target))
        return truth[target]

    settings = SampleSettings(mode, alpha=300, steps=steps, sampler=sampler)
    out = sample(predict, settings, 4, WIDTHS, generators(), device=CPU)
    torch.testing.assert_close(out, truth[settings.output], rtol=0, atol=0)
    assert [t for t, _, _ in seen] == sampling_timesteps(steps)  # one pass a step, no more


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_network_that_knows_the_data_turns_noise_into_the_data(sampler):
    """For data N(m, s^2) the best x0 estimate is known; sampling must give that spread."""
    mean, deviation = 1.5, 0.5
    alpha_bar = torch.cumprod(1 - cosine_betas(), dim=0)

    def predict(x, t, source, target):
        a = float(alpha_bar[t])
        gain = a**0.5 * deviation**2 / (a * deviation**2 + 1 - a)
        return mean + gain * (x - a**0.5 * mean)

    settings = SampleSettings(steps=1000 if sampler == "ddpm" else 50, sampler=sampler)
    out = sample(predict, settings, 2000, {"3d": 5, "2d": 1}, generators(1), device=CPU)
    assert float(out.mean()) == pytest.approx(mean, abs=0.03)
    assert float(out.std()) == pytest.approx(deviation, rel=0.06)


@pytest.mark.parametrize("steps", [1, 5, 20, 1000])
@pytest.mark.parametrize("alpha", [0, 1, 300, 998, 999])
def test_a_mixture_crosses_once_at_the_first_step_not_above_alpha(alpha, steps):
    times, seen = sampling_timesteps(steps), []

    def predict(x, t, source, target):
        seen.append((source, target))
        return torch.zeros(2, 4, WIDTHS[target])

    settings = SampleSettings("mixture", alpha=alpha, steps=steps, sampler="ddim")
    sample(predict, settings, 4, WIDTHS, generators(), device=CPU)
    above = min(sum(t > alpha for t in times), steps - 1)
    after = steps - above - 1
    assert seen == [("2d", "2d")] * above + [("2d", "3d")] + [("3d", "3d")] * after
    assert switch_index(times, alpha) == above
    if steps == STEPS:
        assert times[above] == alpha


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_after_the_crossing_a_mixture_is_3d_sampling_from_the_noised_estimate(sampler):
    """The solver begins anew: nothing of its 2D past may be left."""

    def predict(x, t, source, target):
        return torch.tanh(x.mean(-1, keepdim=True) + t / 1000).expand(-1, -1, WIDTHS[target])

    settings = SampleSettings("mixture", alpha=600, steps=10, sampler=sampler)
    mixed = sample(predict, settings, 4, WIDTHS, generators(), device=CPU)

    times, g = sampling_timesteps(10), generators()
    x, scheduler = draw((4, 3), g, CPU), make_scheduler(sampler, times)
    crossing = switch_index(times, 600)
    for t in times[:crossing]:
        x = step(scheduler, predict(x, t, "2d", "2d"), t, x, g)
    x0, rest = predict(x, times[crossing], "2d", "3d"), times[crossing + 1 :]
    x = ForwardProcess.create().add_noise(x0, torch.tensor(rest[:1] * 2), draw((4, 5), g, CPU))
    scheduler = make_scheduler(sampler, rest)
    for t in rest:
        x = step(scheduler, predict(x, t, "3d", "3d"), t, x, g)
    torch.testing.assert_close(mixed, x, atol=1e-5, rtol=0)


def test_a_mixture_at_999_is_3d_but_for_its_first_step_and_at_0_the_2d_path_alone():
    marks = {("3d", "3d"): 3.0, ("2d", "3d"): 1.0, ("2d", "2d"): 2.0}
    paths = []

    def predict(x, t, source, target):
        paths.append((source, target))
        return torch.full((2, 4, WIDTHS[target]), marks[source, target])

    for alpha, value in ((999, 3.0), (0, 1.0)):
        out = sample(
            predict, SampleSettings("mixture", alpha=alpha, steps=6), 4, WIDTHS, generators(),
            device=CPU,
        )  # fmt: skip
        assert (out == value).all()
    assert paths.count(("2d", "3d")) == 2


def test_a_motions_noise_depends_on_its_own_generator_alone():
    def predict(x, t, source, target):
        return 0.9 * x

    settings = SampleSettings(steps=6, sampler="ddpm")
    three = sample(predict, settings, 4, WIDTHS, generators(3), device=CPU)
    for i in range(3):
        alone = sample(predict, settings, 4, WIDTHS, generators(3)[i : i + 1], device=CPU)
        assert torch.equal(alone[0], three[i])
    assert not torch.equal(three[0], three[1])


def test_a_held_start_is_kept_where_its_weight_is_one_and_free_where_it_is_zero():
    values, weight = torch.full((2, 4, 5), 9.0), torch.zeros(2, 4, 1)
    weight[:, 0], weight[:, 1] = 1.0, 0.5
    out = sample(
        lambda x, t, source, target: torch.ones(2, 4, WIDTHS[target]),
        SampleSettings("mixture", steps=5), 4, WIDTHS, generators(), device=CPU,
        held=Held(values, weight),
    )  # fmt: skip
    torch.testing.assert_close(out[0, :, 0], torch.tensor([9.0, 5.0, 1.0, 1.0]))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return CrossDiff(TINY_NETWORK).eval()


def test_guidance_mixes_the_told_and_the_untold_estimate(network):
    x, text = torch.randn(2, 10, 263), torch.randn(2, 8)
    when = torch.full((2,), 40)
    with torch.inference_mode():
        told = network.path(x, "3d", "3d", when, text)
        untold = network.path(x, "3d", "3d", when, torch.zeros_like(text))
        for scale in (0.0, 1.0, 2.5, 7.0):
            out = network_predictor(network, text, scale)(x, 40, "3d", "3d")
            torch.testing.assert_close(out, untold + scale * (told - untold), atol=1e-4, rtol=0)
    assert not torch.allclose(told, untold)


def test_guidance_is_one_pass_and_none_costs_no_second_row(network, monkeypatch):
    rows = []
    path = network.path
    monkeypatch.setattr(network, "path", lambda x, *a, **k: rows.append(len(x)) or path(x, *a, **k))
    for scale in (2.5, 1.0, 0.0):
        network_predictor(network, torch.randn(3, 8), scale)(torch.randn(3, 10, 134), 5, "2d", "2d")
    assert rows == [6, 3, 3]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"mode": "4d"}, "mode must be one of 3d, 2d, mixture"),
        ({"sampler": "plms"}, r"sampler must be one of ddpm, ddim, dpm\+\+"),
        ({"steps": 0}, "steps must be 1 to 1000, not 0"),
        ({"steps": 1001}, "steps must be 1 to 1000, not 1001"),
        ({"alpha": 1000}, "alpha must be 0 to 999, not 1000"),
        ({"alpha": -1}, "alpha must be 0 to 999"),
        ({"guidance": -0.1}, "guidance must be 0 to 100"),
        ({"guidance": float("nan")}, "guidance must be 0 to 100, not nan"),
    ],
)
def test_wrong_settings_are_refused_in_one_sentence(wrong, says):
    with pytest.raises(ValueError, match=says):
        SampleSettings(**wrong)


def test_a_thousand_steps_are_the_papers_and_fewer_the_fast_solvers():
    assert default_sampler(1000) == "ddpm"
    assert {default_sampler(n) for n in (1, 20, 999)} == {"dpm++"}
