"""An embedded cluster of Dask as the engine."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import closing

import pytest

from colorvid.batch.engine import Engine, WorkerLost
from colorvid.batch.opening import open_engine
from tests.batch import calls
from tests.batch.test_pool import PATIENCE, wait_for

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Engine]:
    with closing(open_engine(2, "local")) as engine:
        yield engine


def test_it_listens_on_loopback_alone(cluster: Engine) -> None:
    import psutil

    me = psutil.Process()
    found = [
        connection.laddr.ip
        for process in (me, *me.children(recursive=True))
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert found and all(ipaddress.ip_address(ip).is_loopback for ip in found)


def test_results_and_errors(cluster: Engine) -> None:
    futures = [cluster.submit(calls.double, n) for n in range(5)]
    failed = cluster.submit(calls.refuse, 3)
    assert [f.result(PATIENCE) for f in futures] == [0, 2, 4, 6, 8]
    with pytest.raises(ValueError, match="3 is refused"):
        failed.result(PATIENCE)
    assert list(cluster.workers().values()) == [1, 1]


def test_workers_have_their_address_as_name_and_one_thread(cluster: Engine) -> None:
    name, threads, _ = cluster.submit(calls.whoami, 0).result(PATIENCE)
    assert name in cluster.workers() and threads == "1"


def test_workers_can_be_avoided(cluster: Engine) -> None:
    first, second = cluster.workers()
    for avoided, other in ((first, second), (second, first)):
        futures = [cluster.submit(calls.whoami, n, frozenset({avoided})) for n in range(4)]
        assert {f.result(PATIENCE)[0] for f in futures} == {other}
    everyone = frozenset({first, second})
    assert cluster.submit(calls.double, 1, everyone).result(PATIENCE) == 2, "better than nobody"


def test_every_worker_is_asked_once(cluster: Engine) -> None:
    found = cluster.everywhere(calls.refuse, 3)
    assert found.keys() == cluster.workers().keys()
    assert all(isinstance(error, ValueError) for error in found.values())
    assert cluster.everywhere(calls.double, 3) == {}


def test_progress_is_heard(cluster: Engine) -> None:
    future = cluster.submit(calls.count, "a")
    heard: dict[str, int] = {}

    def listen() -> bool:
        heard.update(cluster.progress())
        return future.done() and bool(heard)

    wait_for(listen)
    assert 0 < heard["a"] < 8


def test_a_worker_that_is_killed_loses_its_call(cluster: Engine) -> None:
    future = cluster.submit(calls.die, 0)
    with pytest.raises(WorkerLost, match="the worker died"):
        future.result(PATIENCE)
    assert cluster.submit(calls.double, 4).result(PATIENCE) == 8
