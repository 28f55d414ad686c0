"""Parquet files: pandas and pyarrow read them, after a look at what they state."""

import os
from pathlib import Path
from typing import IO, Any

CELLS_A_BYTE, LOOSE_CELLS = 1000, 1 << 22
"""Cells that a file may state for its size; a column of 1 in 1,000 has some hundred."""


def is_parquet(path: str | os.PathLike) -> bool:
    """By the name, as ``hogblock train`` tells its files apart."""
    return Path(path).suffix.lower() == ".parquet"


def read_parquet(path: str | os.PathLike) -> Any:
    """A parquet file as a DataFrame.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    ValueError
        If it is none, or states more than it can hold.
    OSError
        If it cannot be read.
    """
    from pyarrow import parquet

    with open(path, "rb") as file:
        try:
            _check_cells(parquet.read_metadata(file), file)
            file.seek(0)
            table = parquet.read_table(file)
            table.validate(full=True)  # else words that are no text fail when used
            return table.to_pandas()
        # Two libraries and a file that says which types to make: they raise anything.
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ValueError(str(error) or type(error).__name__) from error


def _check_cells(stated, file: IO[bytes]) -> None:
    cells, size = stated.num_rows * stated.num_columns, os.fstat(file.fileno()).st_size
    if cells > CELLS_A_BYTE * size + LOOSE_CELLS:
        raise ValueError(
            f"{stated.num_rows:,} rows of {stated.num_columns:,} columns are stated in "
            f"a file of {size:,} bytes"
        )
