"""What keeps a fit from beginning: one error, that says where and what."""

import os
import socket
import threading
import time

import numpy as np
import pytest
import ray

import hogblock
from hogblock import MLPClassifier
from hogblock.distributed import Ray
from hogblock.errors import DeviceUnavailableError
from support.nodes import pids_of_nodes

pytestmark = [pytest.mark.ray, pytest.mark.timeout(90)]

X = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def fit(x=X, y=Y, n_jobs=1, **options):
    plan = dict(max_iter=2, learning_rate="cosine", n_jobs=n_jobs, batch_size=50)
    return MLPClassifier((4,), device=Ray(**options), **plan).fit(x, y)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(nodes=4), r"nodes=4 of 1 CPU each .*STRICT_SPREAD.*4 machines"),
        (dict(nodes=2, n_jobs=5), r"nodes=2 of 5 CPU each \(n_jobs=5.*with 4 CPU"),
        (dict(nodes=4, device="cuda"), r"1 CPU and a GPU each .*with 4 CPU, 1 GPU"),
    ],
    ids=["machines", "cores", "cards"],
)
def test_nodes_without_a_place_are_told_what_there_is(options, message, monkeypatch):
    monkeypatch.setattr("hogblock.distributed.session.ANSWER_SECONDS", 2.0)
    with pytest.raises(DeviceUnavailableError, match=message):
        fit(**options)
    assert pids_of_nodes() == []


@pytest.mark.usefixtures("cluster")
def test_nodes_with_another_version_are_named(monkeypatch):
    there, here = hogblock.__version__, "99.0"
    monkeypatch.setattr(hogblock, "__version__", here)
    message = rf"node 0 \(.*\) has hogblock {there}, and this process {here}"
    with pytest.raises(DeviceUnavailableError, match=message):
        fit()


WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "hogblock":
            raise ModuleNotFoundError("No module named 'hogblock'")
sys.meta_path.insert(0, Missing())
"""


@pytest.mark.usefixtures("cluster")
def test_nodes_without_the_package_are_named(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    message = r"node 0 \(.*, Python 3.*\) cannot import hogblock \(ModuleNotFound"
    with pytest.raises(DeviceUnavailableError, match=message):
        fit(runtime_env={"env_vars": {"PYTHONPATH": path}})


@pytest.mark.usefixtures("cluster")
def test_another_cluster_than_the_one_of_this_process_is_refused():
    with pytest.raises(DeviceUnavailableError, match=r"10\.9\.8\.7:6379.*connected to"):
        fit(address="10.9.8.7:6379")
    with pytest.raises(DeviceUnavailableError, match=r"address='local'.*connected to"):
        fit(address="local")


@pytest.mark.usefixtures("cluster")
def test_a_placement_group_is_used_and_left():
    group = ray.util.placement_group([{"CPU": 1}] * 2, strategy="SPREAD")
    fits = []
    thread = threading.Thread(target=lambda: fits.append(fit(nodes=group)))
    thread.start()  # as a fit may run in any
    thread.join()
    assert len(fits[0].nodes_) == 2
    assert ray.util.placement_group_table(group)["state"] == "CREATED"
    ray.util.remove_placement_group(group)


@pytest.mark.usefixtures("cluster")
def test_more_nodes_than_minibatches_are_refused():
    with pytest.raises(ValueError, match=r"nodes=3, and 100 samples are 2 minibatches"):
        fit(X[:100], Y[:100], nodes=3)


@pytest.fixture
def disconnected():
    """This process is connected to no cluster."""
    ray.shutdown()


@pytest.mark.usefixtures("disconnected")
@pytest.mark.parametrize("kind", ["nobody", "no name", "silent"])
def test_an_address_that_does_not_answer_is_told_soon(kind, monkeypatch):
    monkeypatch.setattr("hogblock.distributed.session.ANSWER_SECONDS", 3.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        if kind == "silent":
            silent.listen(5)
        host = "nowhere.invalid" if kind == "no name" else "127.0.0.1"
        start = time.monotonic()
        with pytest.raises(DeviceUnavailableError, match=rf"'{host}:{port}' of Ray do"):
            fit(address=f"{host}:{port}")
    assert time.monotonic() - start < 15
    assert not ray.is_initialized()


@pytest.mark.parametrize("address", ["here", "host:port", ":6379"])
@pytest.mark.usefixtures("disconnected")
def test_what_is_no_address_is_refused(address):
    with pytest.raises(DeviceUnavailableError, match="is none: it is host:port"):
        fit(address=address)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(DeviceUnavailableError, match=r"pip install 'hogblock\[ray\]'"):
        fit()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(schedule=object()), "schedule"),
        (dict(device=Ray(), schedule="recording"), "is followed on the host only"),
    ],
)
def test_schedules_are_followed_on_one_machine(options, message):
    from hogblock.asynchrony import Recording

    if options["schedule"] == "recording":
        options = options | dict(schedule=Recording())
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**options).fit(X, Y)
