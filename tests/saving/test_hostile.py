"""Hostile models and checkpoints: what is read predicts or trains on, or is refused."""

import pytest

from support.fuzzing import check_hostile_files

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("name", ["model", "checkpoint"])
def test_files(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    check_hostile_files(name, tmp_path, 200)
