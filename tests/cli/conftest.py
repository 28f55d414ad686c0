"""Fixtures of the tests of the command line."""

import pytest

from hogblock import datasets


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory, and no image sets on this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(datasets.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(datasets.images, "ROOTS", (str(tmp_path / "nowhere"),))
    return tmp_path
