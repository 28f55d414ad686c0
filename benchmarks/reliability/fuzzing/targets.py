"""What is fuzzed: a row a loader."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from benchmarks.reliability.fuzzing import (
    arrays,
    containers,
    images,
    logs,
    models,
    tables,
)
from benchmarks.reliability.fuzzing.containers import Mutator
from benchmarks.reliability.fuzzing.mutators import (
    ANY,
    LONGEST,
    cut_out,
    flip_bits,
    set_number,
    splice,
)


class Target(NamedTuple):
    """A loader.

    Attributes
    ----------
    file : str
        Name of the file that it reads.
    seeds : callable
        Good files, as bytes.
    mutators : tuple of callable
        Ways to damage one, in addition to those of any file.
    read : callable
        Loads the file of this path, in a folder of its own, and checks what has come:
        raises AssertionError if that is not valid.
    memory : int
        MiB that may become resident for an input of `LONGEST` bytes.
    """

    file: str
    seeds: Callable[[], list[bytes]]
    mutators: tuple[Mutator, ...]
    read: Callable[[Path], None]
    memory: int


_ZIPS = (containers.zip_field, containers.zip64, containers.zip_members)
_NPY = (arrays.npy_header, arrays.npy_values, arrays.npy_array, arrays.pickled)
_NPZ = (*_ZIPS, *map(containers.within_zip, (*_NPY, *ANY)))
_PLACES = (flip_bits, flip_bits, set_number, set_number, cut_out)
_GZIP = (containers.gzipped_twice, containers.inflating)

TARGETS = {
    "idx": Target(
        "array",
        images.idx_seeds,
        (arrays.idx_header, *_GZIP, *map(containers.within_gzip, ANY)),
        images.read_idx,
        memory=200,
    ),
    "cifar": Target(
        "set",
        images.cifar_seeds,
        (
            *_GZIP,
            *_NPZ,
            *map(
                containers.within_gzip,
                (*ANY, *[containers.tar_header, containers.tar_member] * 4),
            ),
        ),
        images.read_cifar,
        memory=16,
    ),
    "npz": Target("t.npz", tables.npz_seeds, _NPZ, tables.read, 72),
    "csv": Target("t.csv", tables.csv_seeds, tables.MUTATORS, tables.read, 400),
    "parquet": Target("t.parquet", tables.parquet_seeds, _PLACES, tables.read, 72),
    "log": Target("events.npz", logs.seeds, _NPZ, logs.read, 72),
    "model": Target(
        "model.safetensors", models.seeds, models.MUTATORS, models.read, 72
    ),
    "checkpoint": Target(
        "epoch-000004.safetensors",
        models.checkpoint_seeds,
        models.MUTATORS,
        models.read_checkpoint,
        memory=72,
    ),
}
"""To fuzz another loader, write its seeds and its `read`, and a row here."""


def mutated(seeds: list[bytes], mutators: tuple[Mutator, ...], random: Random) -> bytes:
    """One of the seeds, damaged once or a few times."""
    raw = random.choice(seeds)
    if random.random() < 0.05:
        raw = splice(raw, random.choice(seeds), random)
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        kinds = mutators if mutators and random.random() < 0.7 else ANY
        raw = random.choice(kinds)(raw, random)[:LONGEST]
    return raw
