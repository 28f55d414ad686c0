"""Writes checkpoints into a folder until it is killed; says which are done."""

import itertools
import sys

import numpy as np

from hogblock.saving.folder import Folder
from hogblock.saving.writer import Writer

SIZE = 300_000


def main(path, first):
    folder = Folder(path, keep=2, resume=True)

    def write(epoch):
        arrays = {"a": np.full(SIZE, epoch), "b": np.full((2, SIZE), epoch, np.float32)}
        folder.save(epoch, {"kind": "test", "epoch": epoch}, arrays)
        print(epoch, flush=True)

    writer = Writer(write)
    for epoch in itertools.count(first):
        writer.put(epoch)
        while writer._waiting:
            pass


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
