"""Steps of thinned plans: unbiased, exact above, and those of a float64 twin below."""

import numpy as np
import pytest

from hogblock.kernels.cpu.thin import uniform_of
from hogblock.methods import ASSM, SGD, Hogwild, PASSMPlus
from hogblock.models import Conv2D, Dense, Dropout, GlobalAvgPool2D, Network, Residual
from hogblock.models.plan import make_plan
from support import naive, passes
from support.naive_thinning import thinned_buffer, thinned_gradient
from support.passes import assert_padding_is_zero
from support.random_networks import random_image_network, random_network
from support.steps import OF_EVERY_KIND, make_problem, take_steps

F32 = np.float32
RATE = 0.5
NO_THINNING = 1e-30  # every gradient is larger than so little of the mean

ROUND_THE_OUTPUT = Network(
    [Conv2D(5, 3, activation="tanh"), Residual([Conv2D(5, 3)]), GlobalAvgPool2D()],
    (6, 5, 2),
)
BESIDE_THE_OUTPUT = Network(
    [Dense(6, "tanh"), Residual([Dense(6, "relu")], [Dense(6)])], (7,)
)
EVERY = OF_EVERY_KIND | {
    "round the output": ROUND_THE_OUTPUT,
    "beside the output": BESIDE_THE_OUTPUT,
    "one layer": Network([Dense(4)], (9,)),
}


def masks_of(network, problem, key):
    """What dropouts multiply the minibatch of a worker's first step by."""
    params, x, _ = problem
    plan = make_plan(network, len(x), "squared_error")
    run = passes.Pass(passes.Aligned(), network, plan, params, len(x))
    run.forward(x)
    return run.masks()


def gradient_of(network, problem, loss, method, **how):
    found = take_steps(network, problem, loss, method, **how)
    assert_padding_is_zero(network, found.params)
    return (problem[0] - found.params) / RATE, found


def check_twin(network, problem, loss, thinning, method=SGD):
    """Steps of some keys; how many left samples out.

    A key for which the choice of a sample hangs on rounding is passed over.
    """
    method, left_out, tried = method(thinning=thinning), 0, 0
    for key in range(passes.KEY, passes.KEY + 6):
        masks = []
        if any(isinstance(s.layer, Dropout) for s in network.stages):
            if key != passes.KEY:  # masks are known of this one
                break
            masks = masks_of(network, problem, key)
        expected, factors, margin = thinned_gradient(
            network, problem, loss, thinning, np.uint32(key), masks=masks
        )
        if margin < 1e-3:
            continue
        tried += 1
        found, _ = gradient_of(network, problem, loss, method, key=key)
        np.testing.assert_allclose(
            found, expected, rtol=1e-4, atol=4e-6 + 4e-6 * np.abs(expected).max()
        )
        left_out += (factors == 0).any()
        if tried == 2:
            break
    return left_out


@pytest.mark.parametrize("thinning", [0.7, 2.5])
@pytest.mark.parametrize(("loss", "method"), [("softmax", SGD), ("huber", ASSM)])
@pytest.mark.parametrize("kind", EVERY)
def test_a_step_is_that_of_the_twin(kind, loss, method, thinning):
    random = np.random.default_rng(len(kind))
    network = EVERY[kind]
    problem = make_problem(random, network, loss, 13)
    left_out = check_twin(network, problem, loss, thinning, method)
    assert (left_out > 0) == (kind != "one layer") or thinning < 1


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("make", [random_network, random_image_network])
def test_a_step_of_random_networks_is_that_of_the_twin(make, seed):
    random = np.random.default_rng(seed)
    network = make(random)
    loss = list(naive.LOSSES)[seed % len(naive.LOSSES)]
    problem = make_problem(random, network, loss, int(random.choice([1, 3, 9, 33])))
    check_twin(network, problem, loss, (0.6, 1.9, 3.1)[seed % 3], (SGD, ASSM)[seed % 2])


@pytest.mark.parametrize("kind", EVERY)
def test_the_layer_behind_learns_from_every_sample(random, kind):
    """Bit for bit what a step without thinning does to it, and not to lower ones."""
    network = EVERY[kind]
    problem = make_problem(random, network, "softmax", 16)
    whole = take_steps(network, problem, "softmax", SGD(), key=9)
    thin = take_steps(network, problem, "softmax", SGD(thinning=2.5), key=9)
    assert thin.losses == whole.losses
    last = max(t.layer for t in network.tensors)
    above = thinned_buffer(network) != len(network.stages)
    for tensor in network.tensors:
        same = np.array_equal(tensor.view(thin.params), tensor.view(whole.params))
        assert same == (tensor.layer == last and above), tensor.name


METHODS = {
    "plain": Hogwild(),
    "atomic": Hogwild(atomic=True),
    "copy": Hogwild(reads="copy"),
    "locked": ASSM(),
    "suffix": PASSMPlus(scope="suffix", warmup_fraction=0.3, random_blocks=2),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", EVERY)
def test_next_to_no_thinning_is_none(random, kind, method):
    """Bit for bit, in a run with short minibatches, momentum and a penalty."""
    network, method = EVERY[kind], METHODS[method]
    if method.blocks_per_worker > 1 and len(network.tensors) < 4:
        method = Hogwild()
    problem = make_problem(random, network, "softmax", 21)
    how = dict(batch=8, epochs=2, momentum=0.9, nesterov=True, alpha=0.1, shuffle=True)
    how["rate"] = np.full(1, 0.05, F32)
    whole = take_steps(network, problem, "softmax", method, **how)
    changed = {**method.__dict__, "thinning": NO_THINNING}
    thin = take_steps(network, problem, "softmax", type(method)(**changed), **how)
    np.testing.assert_array_equal(thin.params, whole.params)
    np.testing.assert_array_equal(thin.velocity, whole.velocity)
    assert thin.losses == whole.losses


def grid_of_keys(points):
    """Keys of workers whose first minibatch draws about k + 1/2 of so many parts."""
    found, key = {}, 0
    while len(found) < points:
        drawn = uniform_of(1, np.uint32(key))
        if abs(drawn * points % 1 - 0.5) < 0.25:
            found.setdefault(int(drawn * points), key)
        key += 1
    return [found[k] for k in range(points)]


@pytest.mark.parametrize("kind", ["dense", "pooled convolution", "round the output"])
@pytest.mark.parametrize("write", ["plain", "locked"])
def test_the_expected_gradient_is_the_full_one(random, kind, write):
    """The mean over the draws of workers' keys, which lie evenly."""
    network = EVERY[kind]
    points = 64
    problem = make_problem(random, network, "softmax", 12)
    method = type(METHODS[write])
    whole, _ = gradient_of(network, problem, "softmax", method())
    total = np.zeros(network.size)
    worst = 0
    for key in grid_of_keys(points):
        found, _ = gradient_of(
            network, problem, "softmax", method(thinning=1.9), key=key
        )
        total += found
        worst = max(worst, np.abs(found - whole).max())
    size = np.abs(whole).max()
    assert worst > 0.4 * size  # of one draw
    np.testing.assert_allclose(total / points, whole, rtol=0, atol=0.03 * size)


def test_weights_of_samples_count_where_samples_are_chosen(random):
    """A sample that weighs nothing has no gradient: it is never drawn."""
    network = EVERY["dense"]
    params, x, targets = problem = make_problem(random, network, "softmax", 8)
    weights = np.array([1, 0, 2, 0, 0, 3, 0.5, 1], F32)
    spoiled = targets.copy()
    spoiled[weights == 0] = (targets[weights == 0] + 1) % 4
    method, how = SGD(thinning=1.9), dict(key=3, weights=weights)
    found = take_steps(network, problem, "softmax", method, **how)
    other = take_steps(network, (params, x, spoiled), "softmax", method, **how)
    np.testing.assert_array_equal(found.params, other.params)
    expected, _, margin = thinned_gradient(
        network, problem, "softmax", 1.9, np.uint32(3), weights=weights
    )
    assert margin > 1e-3
    np.testing.assert_allclose((params - found.params) / RATE, expected, atol=1e-5)


def test_minibatches_without_weight_change_nothing(random):
    network = EVERY["dense"]
    problem = make_problem(random, network, "softmax", 8)
    weights = np.zeros(8, F32)
    found = take_steps(network, problem, "softmax", SGD(thinning=1.9), weights=weights)
    np.testing.assert_array_equal(found.params, problem[0])


def test_the_velocity_goes_on_when_no_sample_does(random):
    """With so much thinning next to no sample is drawn; the penalty and the velocity
    of the lower layers do not wait for one."""
    network = EVERY["dense"]
    params, x, targets = make_problem(random, network, "softmax", 24)
    how = dict(batch=8, momentum=0.5, alpha=0.8)
    found = take_steps(
        network, (params, x, targets), "softmax", SGD(thinning=1e9), **how
    )
    w, u = params.astype(float), np.zeros(network.size)
    decays = np.zeros(network.size)
    for tensor in network.tensors:
        tensor.view(decays)[:] = tensor.decays
    for _ in range(3):
        w, u = naive.method_step(w, u, 0.8 / 8 * decays * w, rate=RATE, m=0.5)
    last = max(t.layer for t in network.tensors)
    for tensor in network.tensors:
        if tensor.layer != last:
            np.testing.assert_allclose(
                tensor.view(found.params), tensor.view(w), rtol=1e-5, atol=1e-6
            )
