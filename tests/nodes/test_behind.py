"""The tests of clusters run behind the others, in a process of their own.

They wait for processes most of the time. Where only some tests are run, they are among
these, and this one is left out: see ``pytest_collection_modifyitems`` of the suite.
"""

import subprocess
import sys
from pathlib import Path

from support.behind import behind


@behind
def test_clusters(folder):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    here = Path(__file__)
    done = subprocess.run(
        [*command, "-m", "ray", f"--basetemp={folder / 'of tests'}", str(here.parent)],
        cwd=here.parents[2],
        capture_output=True,
        text=True,
        timeout=390,
    )
    # 5: none was collected, as Ray is not installed.
    assert done.returncode in (0, 5), done.stdout[-20_000:] + done.stderr[-2000:]
