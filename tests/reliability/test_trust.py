"""A cache of kernels is code: one that strangers may write to is not used."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from hogblock.kernels import trust

pytestmark = pytest.mark.timeout(60)

STRANGER = 4242


@pytest.fixture
def risk(monkeypatch):
    """``risk(folder, modes)``: of a tree that is described, a tuple if not ours."""

    def found(folder, modes):
        def stat(path):
            if str(path) not in modes:
                raise FileNotFoundError(path)
            entry = modes[str(path)]
            mode, owner = entry if isinstance(entry, tuple) else (entry, os.geteuid())
            return SimpleNamespace(st_mode=mode, st_uid=owner)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "stat", stat)
            return trust.risk_of.__wrapped__(folder)

    return found


@pytest.mark.parametrize(
    "modes",
    [
        {"/": 0o755, "/home": 0o755, "/home/me": 0o755, "/home/me/cache": 0o755},
        {"/": 0o755, "/home": 0o755, "/home/me": 0o755, "/home/me/cache": 0o2775},
        {"/": 0o755, "/home": 0o1777, "/home/me": 0o755, "/home/me/cache": 0o755},
        # Nobody else comes there.
        {"/": 0o755, "/home": 0o755, "/home/me": 0o700, "/home/me/cache": 0o777},
        # Numba makes it.
        {"/": 0o755, "/home": 0o755, "/home/me": 0o755},
    ],
)
def test_folders_of_one_s_own_hold_no_risk(risk, modes):
    assert risk("/home/me/cache", modes) is None


@pytest.mark.parametrize(
    ("modes", "says"),
    [
        ({"/tmp": 0o1777, "/tmp/a": 0o777, "/tmp/a/b": 0o755}, "anybody .* /tmp/a$"),
        ({"/tmp": 0o1777, "/tmp/a": 0o755, "/tmp/a/b": 0o777}, "anybody .* /tmp/a/b$"),
        # In one that is sticky others may not remove files, but add some.
        ({"/tmp": 0o1777, "/tmp/a": 0o755, "/tmp/a/b": 0o1777}, "anybody .* /tmp/a/b"),
        ({"/tmp": 0o777, "/tmp/a": 0o700, "/tmp/a/b": 0o700}, "anybody .* /tmp$"),
        (
            {"/tmp": 0o1777, "/tmp/a": (0o755, STRANGER), "/tmp/a/b": 0o755},
            "/tmp/a belongs to another user",
        ),
        (
            {"/tmp": 0o1777, "/tmp/a": 0o755, "/tmp/a/b": (0o775, STRANGER)},
            "/tmp/a/b belongs to another user",
        ),
    ],
)
def test_what_lets_strangers_in_is_named(risk, modes, says):
    assert re.search(says, risk("/tmp/a/b", {"/": 0o755} | modes))


def test_links_are_followed(tmp_path):
    """Neither the link's place nor that of the folder may be open to others."""
    tmp_path.chmod(0o755)
    with tempfile.TemporaryDirectory(dir="/tmp") as elsewhere:
        Path(elsewhere).chmod(0o777)
        (link := tmp_path / "link").symlink_to(elsewhere)
        assert elsewhere in (trust.risk_of(str(link)) or "")


LOOK = """
from hogblock.kernels.cache import obstacle
from hogblock.kernels.cpu.warmup import cache_state
print(cache_state().path or obstacle())
"""


def test_such_a_cache_is_not_used_and_the_reason_is_said():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        for mode, starts in ((0o777, "anybody may write"), (0o755, folder)):
            Path(folder).chmod(mode)
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", LOOK],
                env=os.environ | {"NUMBA_CACHE_DIR": folder},
                capture_output=True,
                text=True,
                timeout=50,
                check=True,
            )
            assert done.stdout.startswith(starts)
            assert list(Path(folder).rglob("*.nbc")) == []
