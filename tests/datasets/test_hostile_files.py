"""Hostile files of data: each is read, or refused by a ValueError that names it."""

import pytest

from support.fuzzing import check_hostile_files

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("name", ["idx", "cifar", "npz"])
def test_files_of_arrays(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_hostile_files(name, tmp_path, 200)


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_tables(name, tmp_path, monkeypatch):
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    check_hostile_files(name, tmp_path, 160)
