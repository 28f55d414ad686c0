"""Methods: known answers, equivalences, and what a run counts."""

from itertools import pairwise

import numpy as np
import pytest

from hogblock import methods
from hogblock.engines.cpu import training
from hogblock.models import Conv2D, Dense, Dropout, Flatten, Network, Residual
from hogblock.training.settings import TrainingData
from support.cpu_runs import (
    BATCHES,
    CLASSES,
    FEATURES,
    NONE,
    ROWS,
    make_data,
    settings,
    start,
)
from support.random_networks import decaying_the_other_way

ASYNCHRONOUS = [
    methods.Hogwild(),
    methods.Hogwild(atomic=True),
    methods.Hogwild(reads="copy"),
    methods.ASSM(),
    methods.PASSM(),
    methods.PASSM(random_blocks=2),
    methods.PASSM(reads="copy"),
    methods.PASSMPlus(),
    methods.PASSMPlus(alternate=False, warmup_fraction=0.5),
    methods.PASSMPlus(switch_epochs=(1, 2)),
    methods.PASSMPlus(random_blocks=2),
]


def names(method):
    return repr(method)


@pytest.fixture(scope="module")
def data():
    return make_data()


IMAGES = Network(
    [Conv2D(9, (3, 1), activation="relu")]
    + [Residual([Conv2D(9, (3, 1), activation="relu"), Conv2D(9, 1)], [Conv2D(9, 1)])]
    + [Flatten(), Dense(CLASSES)],
    (FEATURES, 1, 1),
)


@pytest.fixture(scope="module")
def network():
    return ROWS


@pytest.fixture(params=[ROWS, IMAGES], ids=["rows", "images"])
def any_network(request):
    return request.param


def fit(network, data, *args, **kwargs):
    return training.train(network, data, settings(*args, **kwargs), start(network))


def test_one_worker_is_sequential_sgd_bit_for_bit_by_every_direct_method(
    any_network, data
):
    wanted = fit(any_network, data, methods.SGD()).params
    for method in (methods.Hogwild(), methods.PASSM(), methods.PASSMPlus()):
        np.testing.assert_array_equal(fit(any_network, data, method).params, wanted)


OTHER_WRITES = [methods.Hogwild(atomic=True), methods.ASSM(), methods.Sync()]


@pytest.mark.parametrize("base", [ROWS, IMAGES], ids=["rows", "images"])
@pytest.mark.parametrize("method", OTHER_WRITES, ids=names)
def test_what_decays_is_said_by_the_tensor_for_every_way_of_writing(data, base, method):
    """Biases that decay and weights that do not, under a strong penalty."""
    network = decaying_the_other_way(base)
    wanted = fit(network, data, methods.SGD(), alpha=3.0).params
    got = fit(network, data, method, alpha=3.0).params
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    usual = fit(base, data, methods.SGD(), alpha=3.0).params
    assert np.abs(wanted - usual).max() > 0.1


@pytest.mark.parametrize(
    "method",
    OTHER_WRITES + [methods.Hogwild(reads="copy"), methods.PASSM(reads="copy")],
    ids=names,
)
def test_one_worker_is_sequential_sgd_up_to_rounding(any_network, data, method):
    wanted = fit(any_network, data, methods.SGD()).params
    got = fit(any_network, data, method).params
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5)


def test_same_seed_same_bits_and_another_seed_another_model(network, data):
    first = fit(network, data, methods.SGD())
    again = fit(network, data, methods.SGD())
    other = fit(network, data, methods.SGD(), seed=4)
    np.testing.assert_array_equal(first.params, again.params)
    assert first.losses == again.losses
    assert not np.array_equal(first.params, other.params)


@pytest.mark.parametrize("nesterov", [False, True])
def test_two_synchronous_workers_take_the_sequential_steps(any_network, data, nesterov):
    wanted = fit(any_network, data, methods.SGD(), nesterov=nesterov)
    got = fit(any_network, data, methods.Sync(), workers=2, nesterov=nesterov)
    np.testing.assert_allclose(got.params, wanted.params, rtol=0, atol=1e-5)
    np.testing.assert_allclose(got.losses, wanted.losses, rtol=1e-5)
    assert got.steps == wanted.steps == 3 * BATCHES
    assert got.staleness[:, 1:].sum() == 0


def test_synchronous_workers_may_outnumber_the_rows_of_a_minibatch(network, data):
    wanted = fit(network, data, methods.SGD(), batch=202, epochs=1)
    got = fit(network, data, methods.Sync(), workers=2, batch=202, epochs=1)
    np.testing.assert_allclose(got.params, wanted.params, rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", ASYNCHRONOUS, ids=names)
def test_two_workers_share_the_epochs_and_learn(network, data, method):
    result = fit(network, data, method, workers=2, epochs=6)
    assert result.workers == 2
    assert result.steps == result.steps_per_worker.sum() == 6 * BATCHES
    assert len(result.losses) == 6
    assert result.losses[-1] < 0.8 * result.losses[0]
    assert np.isfinite(result.params).all()
    np.testing.assert_array_equal(result.overlap.sum(axis=1), result.updates_per_block)
    assert (result.staleness.sum(axis=1) == result.steps).all()


@pytest.mark.parametrize("method", ASYNCHRONOUS[:3], ids=names)
def test_full_steps_write_every_block(any_network, data, method):
    result = fit(any_network, data, method, workers=2)
    assert (result.updates_per_block == 3 * BATCHES).all()


def test_partial_steps_write_only_their_own_block(network, data):
    result = fit(network, data, methods.PASSM(), workers=2)
    np.testing.assert_array_equal(result.updates_per_block, result.steps_per_worker)
    # One writer a block: nobody else writes it during a step of its owner.
    assert result.overlap[:, 1:].sum() == 0


def test_random_blocks_write_one_block_a_step(network, data):
    result = fit(network, data, methods.PASSM(random_blocks=3), workers=2, epochs=8)
    assert result.updates_per_block.sum() == result.steps
    own = result.updates_per_block.reshape(2, 3)
    np.testing.assert_array_equal(own.sum(axis=1), result.steps_per_worker)
    assert (own[result.steps_per_worker > 20] > 0).all()


def test_passm_plus_begins_with_full_steps(network, data):
    """With a warm-up over the whole run every step is full; with none, none need be."""
    whole = methods.PASSMPlus(warmup_fraction=1.0)
    result = fit(network, data, whole, workers=2)
    assert (result.updates_per_block == result.steps).all()
    partial = methods.PASSMPlus(warmup_fraction=0.0, alternate=False)
    result = fit(network, data, partial, workers=2)
    np.testing.assert_array_equal(result.updates_per_block, result.steps_per_worker)
    result = fit(network, data, methods.PASSMPlus(warmup_fraction=0.0), workers=2)
    full_turns = result.steps_per_worker // 2
    np.testing.assert_array_equal(
        result.updates_per_block,
        result.steps_per_worker - full_turns + full_turns.sum(),
    )


def test_worker_epochs_pass_over_all_the_data_once_each(network, data):
    result = fit(network, data, methods.Hogwild(epochs="worker"), workers=2)
    np.testing.assert_array_equal(result.steps_per_worker, 3 * BATCHES)
    assert len(result.losses) == 3


def test_momentum_off_is_plain_gradient_descent(network, data):
    by_fused = fit(network, data, methods.SGD(), momentum=0.0)
    by_vector = fit(network, data, methods.ASSM(), momentum=0.0)
    np.testing.assert_allclose(by_fused.params, by_vector.params, rtol=0, atol=1e-5)


@pytest.mark.parametrize("write", [methods.Hogwild(atomic=True), methods.PASSM()])
def test_no_update_is_lost_with_atomics_or_disjoint_blocks(write):
    """Counted on a linear problem whose updates do not depend on the weights.

    One output, targets far away and a tiny rate: the gradient of the bias is the same
    at every step, so the bias counts the updates that arrived.
    """
    n = 4096
    x = np.zeros((n, 3), np.float32)
    targets = np.full((n, 1), 1024.0, np.float32)
    data = TrainingData(x, targets, NONE, NONE, NONE)
    network = Network([Dense(1)], (3,))
    result = training.train(
        network,
        data,
        settings(
            write,
            workers=2,
            epochs=4,
            batch=4,
            momentum=0.0,
            alpha=0.0,
            loss="squared_error",
            rate=2.0**-24,
        ),
        np.zeros(network.size, np.float32),
    )
    bias = network.tensors[1].view(result.params)[0, 0]
    block = -1  # the last block holds the bias
    issued = result.updates_per_block[block] * 1024.0 * 2.0**-24
    assert bias == pytest.approx(issued, rel=2e-3)


def test_dropout_run_is_reproducible_and_differs_from_none(data):
    with_dropout = Network(
        [Dense(24, "relu"), Dropout(0.5), Dense(CLASSES)], (FEATURES,)
    )
    without = Network([Dense(24, "relu"), Dense(CLASSES)], (FEATURES,))
    first = fit(with_dropout, data, methods.SGD())
    again = fit(with_dropout, data, methods.SGD())
    np.testing.assert_array_equal(first.params, again.params)
    assert first.losses[0] > fit(without, data, methods.SGD()).losses[0]


def test_held_run_hands_out_every_epochs_snapshot(network, data):
    for workers in (1, 2):
        seen = []
        training.train(
            network,
            data,
            settings(methods.PASSMPlus(), workers, gate="held"),
            start(network),
            lambda epoch, seen=seen: seen.append(epoch),
        )
        assert [e.index for e in seen] == [0, 1, 2]
        assert seen[0].seconds < seen[1].seconds < seen[2].seconds
        for before, after in pairwise(seen):
            assert not np.array_equal(before.params, after.params)


def test_stopping_early_keeps_the_snapshot_of_that_epoch(network, data):
    for workers in (1, 2):
        kept = []

        def stop(epoch, kept=kept):
            kept.append(epoch.params)
            return epoch.index == 1

        result = training.train(
            network, data, settings(methods.Hogwild(), workers, gate="held", epochs=9),
            start(network), stop,
        )  # fmt: skip
        assert len(result.losses) == 2
        np.testing.assert_array_equal(result.params, kept[-1])


def test_parent_changes_the_rate_between_epochs(network, data):
    seen = []

    def freeze(epoch):
        seen.append(epoch.params)
        epoch.rate_factor = 0.0

    training.train(
        network, data, settings(methods.SGD(), momentum=0.0), start(network), freeze
    )
    assert not np.array_equal(seen[0], start(network))
    np.testing.assert_array_equal(seen[1], seen[0])


def test_params_of_the_caller_are_left_alone(network, data):
    params = start(network)
    training.train(network, data, settings(methods.SGD()), params)
    np.testing.assert_array_equal(params, start(network))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: methods.resolve("adam"), "method='adam' is unknown; allowed are"),
        (lambda: methods.Hogwild(reads="cached"), "reads='cached'"),
        (lambda: methods.Sync(epochs="worker"), "epochs='worker'"),
        (lambda: methods.PASSM(random_blocks=0), "random_blocks=0"),
        (lambda: methods.PASSMPlus(warmup_fraction=1.5), "warmup_fraction=1.5"),
        (lambda: methods.PASSMPlus(switch_epochs=(3, 1)), r"switch_epochs=\(3, 1\)"),
    ],
)
def test_wrong_options_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
