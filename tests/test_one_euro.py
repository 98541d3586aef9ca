"""The paper's label smoothing."""

import inspect

import numpy as np
import pytest

from pipeline.one_euro import one_euro


@pytest.fixture(scope="module")
def reference(shared):
    with np.load(shared / "reference" / "one_euro.npz") as arrays:
        return dict(arrays)


@pytest.mark.shared
def test_each_clip_of_the_batch_equals_the_published_filter(reference):
    """Axis 0 of the recorded arrays is the batch, axis 1 is time."""
    te, min_cutoff, beta, derivative_cutoff = reference["params"]
    for signal, wanted in zip(reference["signal"], reference["filtered"], strict=True):
        ours = one_euro(signal, te, min_cutoff, beta, derivative_cutoff)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, wanted, atol=1e-5)


@pytest.mark.shared
def test_defaults_are_the_papers(reference):
    defaults = [p.default for p in list(inspect.signature(one_euro).parameters.values())[1:]]
    assert defaults == reference["params"].tolist() == [1.0, 0.05, 0.004, 1.0]


def test_no_state_travels_from_clip_to_clip():
    """Regression: in the published code the last frame of one batch pulls at the next batch."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 50, 6)) + np.array([10.0, -10.0])[:, None, None]
    alone = one_euro(second)
    one_euro(first)
    np.testing.assert_array_equal(one_euro(second), alone)
    np.testing.assert_array_equal(alone[0], second[0])
    # What the leak looks like: the second clip filtered as a continuation of the first.
    leaked = one_euro(np.concatenate([first, second]))[50:]
    assert np.abs(leaked - alone).max() > 1.0


def test_entries_are_filtered_independently_of_their_shape():
    signal = np.random.default_rng(1).normal(size=(30, 4, 3))
    whole = one_euro(signal)
    assert whole.shape == signal.shape
    np.testing.assert_allclose(whole[:, 2, 1], one_euro(signal[:, 2, 1]), atol=1e-12)
    np.testing.assert_allclose(whole[:, 2], one_euro(signal[:, 2]), atol=1e-12)


def test_noise_shrinks_and_a_constant_stays():
    noise = np.random.default_rng(2).normal(size=(400, 5))
    assert one_euro(noise)[50:].std() < 0.5 * noise.std()
    np.testing.assert_allclose(one_euro(np.full((20, 3), 7.5)), 7.5)
    assert one_euro(np.ones((1, 2))).tolist() == [[1.0, 1.0]]
    assert one_euro(np.ones((0, 2))).shape == (0, 2)


def test_higher_beta_follows_a_fast_change_sooner():
    step = np.concatenate([np.zeros(20), np.full(20, 100.0)])
    assert one_euro(step, beta=0.1)[25] > one_euro(step, beta=0.0)[25] + 1.0


def test_the_input_is_not_changed():
    signal = np.random.default_rng(3).normal(size=(10, 2))
    copy = signal.copy()
    one_euro(signal)
    np.testing.assert_array_equal(signal, copy)


@pytest.mark.parametrize(
    ("signal", "options", "sentence"),
    [
        (np.array([0.0, np.nan]), {}, "finite"),
        (np.float64(3.0) * np.ones(()), {}, r"\(T, ...\) signal"),
        (np.zeros(4), {"te": 0.0}, "must be positive"),
        (np.zeros(4), {"min_cutoff": -1.0}, "must be positive"),
        (np.zeros(4), {"beta": -0.1}, "beta not negative"),
    ],
)
def test_impossible_input_is_refused_with_a_sentence(signal, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        one_euro(signal, **options)
