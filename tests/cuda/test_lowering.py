"""The phase table: order, barriers, tiles and parts, for networks drawn at random."""

from functools import cache

import numpy as np
import pytest

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.layout import LATE, PARAMETERS_AT
from hogblock.kernels.cuda.program import Shape, make_program
from hogblock.models.blocks import partition
from hogblock.models.plan import make_plan
from support.cuda_pass import CUDA, inputs_of
from support.random_networks import random_image_network, random_network

pytestmark = CUDA

PRODUCTS = (ph.PRODUCT_FORWARD, ph.PRODUCT_INPUT, ph.PRODUCT_WEIGHT)
SIZES = [(1, 8), (5, 4), (16, 256), (132, 256)]  # blocks of a team, threads of a block


@cache
def program(seed):
    """Plans of a network, whole and of blocks, lowered for one of the sizes."""
    random = np.random.default_rng(seed)
    network = (random_network, random_image_network)[seed % 2](random)
    batch, (blocks, threads) = int(random.integers(1, 70)), SIZES[seed % 4]
    parts = partition(network, min(3, len(network.tensors)))
    thinning = 0.5 * (seed % 3 == 1)
    plans = [make_plan(network, batch, "softmax", b, thinning) for b in (None, *parts)]
    x = np.zeros((batch, *network.input_shape), np.float32)
    inputs = inputs_of(network, x, batch, weighted=seed % 3 == 0, copy_at=seed % 5 - 1)
    made = make_program(plans, Shape(1, blocks, threads), batch, inputs)
    return network, parts, blocks, batch, made


@pytest.fixture(params=range(24))
def made(request):
    return program(request.param)


def meet(some, others):
    """Whether ranges (start, size) of two lists overlap."""
    return any(max(a, b) < min(a + m, b + n) for a, m in some for b, n in others)


def test_phases_between_two_barriers_do_not_meet(made):
    *_, lowered = made
    for phases in lowered.phases:
        since = []
        for phase in phases:
            if phase.row[ph.BARRIER]:
                since = []
            for before in since:
                assert not meet(before.writes, (*phase.reads, *phase.writes))
                assert not meet(before.reads, phase.writes)
            since.append(phase)


def test_no_barrier_is_there_for_nothing(made):
    """What stands before it and what stands behind it do meet."""
    *_, lowered = made
    for phases in lowered.phases:
        since = []
        for phase in phases:
            if phase.row[ph.BARRIER]:
                assert any(
                    meet(before.writes, (*phase.reads, *phase.writes))
                    or meet(before.reads, phase.writes)
                    for before in since
                )
                since = []
            since.append(phase)


def test_work_space_holds_what_phases_use(made):
    *_, lowered = made
    for phases in lowered.phases:
        for phase in phases:
            for start, size in (*phase.reads, *phase.writes):
                if start < PARAMETERS_AT:
                    assert start >= 0 and start + size <= lowered.work_size
                    assert start % op.LINE == 0 or size == 1


def test_tiles_cover_a_product(made):
    _, _, blocks, batch, lowered = made
    for phases in lowered.phases:
        for row in (p.row for p in phases if p.row[ph.PHASE] in PRODUCTS):
            weight = row[ph.PHASE] == ph.PRODUCT_WEIGHT
            m = (
                row[ph.TAP_END] - row[ph.TAP_FIRST]
                if weight
                else batch * row[ph.PIXELS]
            )
            assert 0 < m <= row[ph.M_TILES] * row[ph.TILE_M] < m + row[ph.TILE_M]
            n = row[ph.OUT_ROW]
            assert n <= row[ph.N_TILES] * row[ph.TILE_N] < n + row[ph.TILE_N]
            tiles = row[ph.M_TILES] * row[ph.N_TILES] * row[ph.PARTS]
            assert row[ph.TILES] == tiles
            assert row[ph.PARTS] == 1 or (weight and blocks > 1)


def test_tiles_go_round_the_blocks(made):
    """The first tile of a phase is the next block's, so that all get their share."""
    _, _, blocks, _, lowered = made
    for phases in lowered.phases:
        tiles = 0
        for row in (p.row for p in phases):
            tiles = 0 if row[ph.BARRIER] else tiles
            assert row[ph.FIRST_TILE] == tiles % blocks
            tiles += row[ph.TILES]


def test_updates_come_last(made):
    """And before them the gradients of parameters, unless their inputs are spoilt."""
    *_, lowered = made
    for phases in lowered.phases:
        codes = [p.row[ph.PHASE] for p in phases]
        updates = [k for k, code in enumerate(codes) if code == ph.UPDATE]
        assert updates == list(range(len(codes) - len(updates), len(codes)))
        loss = codes.index(op.LOSS)
        assert not set(codes[:loss]) & {*LATE, ph.UPDATE}


def test_every_parameter_is_updated_once(made):
    """By its weights' product, by its bias's sums or from parts: those of the block."""
    network, parts, _, _, lowered = made
    for phases, block in zip(lowered.phases, [None, *parts], strict=True):
        updated = np.zeros(network.size, int)
        for phase in phases:
            for start, size in phase.writes:
                if phase.row[ph.PHASE] in (*LATE, ph.UPDATE) and start >= PARAMETERS_AT:
                    first = start - PARAMETERS_AT
                    updated[first : first + size] += 1
        wanted = np.zeros(network.size, int)
        for tensor in network.tensors:
            first, end = tensor.rows_in(*(block or (0, network.size)))
            start = tensor.offset + first * tensor.stride
            wanted[start : tensor.offset + end * tensor.stride] = 1
        np.testing.assert_array_equal(updated, wanted)


def test_parts_are_added_up_by_their_update(made):
    *_, lowered = made
    for phases in lowered.phases:
        rows = [p.row for p in phases]
        pieces = {
            (row[ph.PARTS_AT], row[ph.PARTS], row[ph.PART_SIZE])
            for row in rows
            if row[ph.PHASE] in LATE and row[ph.PARTS] > 1
        }
        added = {
            (row[ph.PARTS_AT], row[ph.PARTS], row[ph.PART_SIZE])
            for row in rows
            if row[ph.PHASE] == ph.UPDATE
        }
        assert pieces <= added
        for row in rows:
            if row[ph.PHASE] == ph.UPDATE:
                assert row[ph.LENGTH] == row[ph.PART_SIZE]


def test_parts_lie_where_nothing_else_does(made):
    """Plans of other blocks share a place, and the largest of them has to fit."""
    *_, lowered = made
    for phases in lowered.phases:
        for phase in phases:
            if phase.row[ph.PARTS] > 1 and phase.row[ph.PHASE] in LATE:
                for other in phases:
                    if other is not phase:
                        assert not meet(phase.writes, other.writes)


def test_shared_memory_holds_what_phases_use(made):
    *_, lowered = made
    assert lowered.shared_bytes <= 48 * 1024
    for phases in lowered.phases:
        for row in (p.row for p in phases if p.row[ph.PHASE] in PRODUCTS):
            outputs = row[ph.TILE_M] * row[ph.TILE_N] * row[ph.SLICES]
            used = max(2 * row[ph.PIECE], row[ph.C_AT] + outputs)
            assert 4 * used <= lowered.shared_bytes


def test_forward_phases_are_those_before_the_loss(made):
    *_, lowered = made
    for phases in lowered.phases:
        codes = [p.row[ph.PHASE] for p in phases]
        assert codes[0] == ph.GATHER and codes.count(op.LOSS) == 1
        assert codes.count(ph.LOSS_SUM) == 1
