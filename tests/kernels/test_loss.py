"""Losses: values and gradients against the twins, and the twins against differences."""

import numpy as np
import pytest

from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.loss import KERNELS, loss_of
from hogblock.models.losses import (
    LOSSES,
    LogisticCrossEntropy,
    Quantile,
    SoftmaxCrossEntropy,
)
from support import naive
from support.naive_formulas import twin_of

NAMES = list(LOSSES)
CASES = [
    *LOSSES.values(),
    SoftmaxCrossEntropy(0.1),
    LogisticCrossEntropy(0.3),
    Quantile(0.9),
]
EACH = pytest.mark.parametrize("loss", CASES, ids=repr)
WIDTHS = [1, 2, 7, 16, 17, 33, 100]
ROWS = [1, 3, 9, 65]
F32 = np.float32
NONE = np.zeros(0, F32)


def make_targets(random, loss, samples, n_out):
    if loss == "softmax":
        return random.integers(n_out, size=samples, dtype=np.int32)
    if loss == "logistic":
        return random.integers(2, size=(samples, n_out)).astype(F32)
    return random.standard_normal((samples, n_out), F32)


@kernel
def value_of(
    code, z, dz, z_row, n_out, targets, indices, rows, weights, scale, parameter
):  # fmt: skip
    return loss_of(
        code, z, dz, z_row, n_out, targets, indices, rows, weights, scale, parameter
    )


def call(aligned, loss, z, targets, indices, weights=NONE, scale=1.0):
    """Value and gradient; padding columns of z hold garbage, those of dz must be 0."""
    loss = LOSSES.get(loss, loss)
    n_out = z.shape[1]
    z_in, dz = aligned(z), aligned.zeros(*z.shape)
    z_in[:, n_out:] = 3e4
    dz[:] = np.nan
    targets = np.ascontiguousarray(targets)
    value = value_of(
        loss.code, z_in.ctypes.data, dz.ctypes.data, z_in.shape[1], n_out,
        targets.ctypes.data, np.asarray(indices, np.int64), len(z), weights, F32(scale),
        F32(loss.parameter),
    )  # fmt: skip
    assert not dz[:, n_out:].any()
    return value, dz[:, :n_out]


@EACH
@pytest.mark.parametrize("n_out", WIDTHS)
@pytest.mark.parametrize("rows", ROWS)
def test_against_the_twin(aligned, random, normal, loss, n_out, rows):
    samples = 2 * rows + 1
    z = 2 * normal(rows, n_out)
    targets = make_targets(random, loss.name, samples, n_out)
    indices = random.permutation(samples)[:rows]
    weights = random.uniform(0, 3, samples).astype(F32)
    weights[indices[0]] = 0
    scale = 1 / max(weights[indices].sum(), 1)
    for given, scaled in ((NONE, 1 / rows), (weights, scale)):
        value, dz = call(aligned, loss, z, targets, indices, given, scaled)
        w = naive.f64(given[indices]) if given.size else np.ones(rows)
        expected = twin_of(loss)(z, targets[indices], w, F32(scaled))
        assert value == pytest.approx(expected[0], rel=1e-5, abs=1e-6 * rows)
        np.testing.assert_allclose(dz, expected[1], rtol=1e-5, atol=3e-7)
        if given.size:
            assert not dz[0].any()


@EACH
@pytest.mark.parametrize("n_out", [1, 2, 5])
def test_gradient_of_the_twin_by_differences(random, loss, n_out):
    rows, step = 4, 1e-6
    z = random.standard_normal((rows, n_out))
    targets = make_targets(random, loss.name, rows, n_out)
    weights = random.uniform(0, 2, rows)
    twin = twin_of(loss)
    _, exact = twin(z, targets, weights, 1.0)
    factor = naive.gradient_factor(loss.name, n_out)
    for place in np.ndindex(z.shape):
        move = np.zeros_like(z)
        move[place] = step
        up, down = (twin(z + s * move, targets, weights, 1.0)[0] for s in (1, -1))
        numeric = factor * (up - down) / (2 * step)
        assert exact[place] == pytest.approx(numeric, rel=1e-6, abs=1e-8)


def test_softmax_of_huge_logits(aligned):
    z = F32([[1e4, -1e4, 0], [-1e30, 1e30, 0], [80, 90, 100]])
    labels = np.array([1, 1, 0], np.int32)
    value, dz = call(aligned, "softmax", z, labels, np.arange(3))
    assert value == pytest.approx(2e4 + 20, rel=1e-6)
    expected = [[1, -1, 0], [0, 0, 0], [-1, 4.53979e-5, 0.9999546]]
    np.testing.assert_allclose(dz, expected, atol=1e-6)


def test_logistic_of_huge_logits(aligned):
    z = F32([[1e30, -1e30], [-500, 500], [100, -100]])
    targets = F32([[1, 0], [1, 0], [1, 0]])
    value, dz = call(aligned, "logistic", z, targets, np.arange(3))
    assert value == pytest.approx(1000, rel=1e-6)
    np.testing.assert_allclose(dz, [[0, 0], [-1, 1], [0, 0]], atol=1e-7)


@EACH
@pytest.mark.parametrize("column", [0, 1, 4])
def test_divergence_is_visible(aligned, loss, column):
    """A NaN in any output makes the value and its gradient NaN."""
    z = np.zeros((2, 5), F32)
    z[1, column] = np.nan
    by_class = loss.targets == "classes"
    targets = np.zeros(2, np.int32) if by_class else np.zeros((2, 5), F32)
    value, dz = call(aligned, loss, z, targets, np.arange(2))
    assert np.isnan(value)
    assert np.isnan(dz[1, column])
    assert np.isfinite(dz[0]).all()


@pytest.mark.parametrize("loss", NAMES)
def test_no_rows_cost_nothing(aligned, loss):
    z = aligned.zeros(1, 3)
    targets = np.zeros((1, 3), F32)
    value = KERNELS[LOSSES[loss].code](
        z.ctypes.data, z.ctypes.data, 16, 3, targets.ctypes.data,
        np.zeros(0, np.int64), 0, NONE, F32(1), F32(1),
    )  # fmt: skip
    assert value == 0


def test_a_code_without_a_kernel_is_no_loss(aligned):
    z = aligned.zeros(1, 3)
    value = value_of(
        99, z.ctypes.data, z.ctypes.data, 16, 3, z.ctypes.data, np.arange(1), 1, NONE,
        F32(1), F32(1),
    )  # fmt: skip
    assert np.isnan(value)


def test_kinks_of_losses_of_residuals(aligned):
    """The subgradient of |r| at 0 is 0; where Huber's pieces meet they agree."""
    residuals = F32([0, -0.0, 1e-30, -1e-30, 1.35, -1.35, 1.5, -3e38, 3e38])
    z, targets = residuals[None], np.zeros((1, 9), F32)
    _, dz = call(aligned, "absolute_error", z, targets, [0])
    assert dz[0].tolist() == [0, 0, 1, -1, 1, -1, 1, -1, 1]
    _, dz = call(aligned, "huber", z, targets, [0])
    np.testing.assert_array_equal(dz[0], np.clip(residuals, F32(-1.35), F32(1.35)))
    for quantile in (0.1, 0.5, 0.9):
        _, dz = call(aligned, Quantile(quantile), z, targets, [0])
        expected = np.where(residuals > 0, 1 - quantile, -quantile)
        wanted = np.where(residuals == 0, 0, expected)
        np.testing.assert_allclose(dz[0], wanted, rtol=1e-6)
    for r, loss in ((1.35, 1.35**2 / 2), (2.35, 1.35 * (2.35 - 1.35 / 2))):
        value, _ = call(aligned, "huber", F32([[r, r]]), targets[:, :2], [0])
        assert value == pytest.approx(loss, rel=1e-6)
