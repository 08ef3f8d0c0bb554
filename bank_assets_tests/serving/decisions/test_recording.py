"""The recorder in the app: a failing ledger, a dying writer, too many waiting decisions, groups."""

import asyncio
import errno
import os
import signal
import threading
from pathlib import Path

import pytest
from litestar.testing import TestClient

from bank_assets.contract.uci import UCI
from bank_assets.ledger import chain
from bank_assets.ledger.engine import writing
from bank_assets.ledger.records import Draft
from bank_assets_tests.world.app import refusing_decisions
from bank_assets_tests.world.waiting import wait_until
from serving.decisions import recorder
from serving.decisions.payloads import Payloads
from serving.decisions.scoring import Decided, DecisionRequest

PATH = "/api/v1/predictions"


@pytest.fixture
def own_writers(quick_writers, monkeypatch):
    """Writers start as the app starts them without the tests."""
    monkeypatch.setattr(recorder, "_writer", quick_writers)


def test_a_ledger_that_cannot_be_written_is_503_and_heals(client, payload):
    services = client.app.state.services
    with refusing_decisions(services.ledger):
        response = client.post(PATH, json=payload)
    assert (response.status_code, response.json()["type"]) == (503, "/problems/ledger")
    assert response.headers["retry-after"] == "2"
    assert client.post(PATH, json=payload).status_code == 201
    assert chain.verify(services.ledger).n == 1


def test_too_much_waiting_is_refused_at_once_and_what_waits_is_answered(client, payload):
    services, statuses = client.app.state.services, []
    first = threading.Thread(target=lambda: statuses.append(client.post(PATH, json=payload).status_code))
    services.recorder._max_waiting = 1
    with writing(services.ledger):  # holds the write lock, so the writer has to wait
        first.start()
        wait_until(lambda: services.recorder.n_waiting == 1)
        refused = client.post(PATH, json=payload)
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/busy")
    assert "waiting for their commit" in refused.json()["detail"]
    first.join(30)
    assert statuses == [201]
    assert client.post(PATH, json=payload).status_code == 201
    assert chain.verify(services.ledger).n == 2


@pytest.mark.usefixtures("own_writers")
def test_a_killed_writer_acknowledges_nothing_and_is_replaced(client, payload, capfd):
    services, statuses = client.app.state.services, []
    assert client.post(PATH, json=payload).status_code == 201
    killed = services.recorder.writer_pid
    waiting = threading.Thread(target=lambda: statuses.append(client.post(PATH, json=payload).status_code))
    with writing(services.ledger):
        waiting.start()
        wait_until(lambda: services.recorder.n_waiting == 1)
        os.kill(killed, signal.SIGKILL)
        waiting.join(30)
    assert statuses == [503]
    # A request that arrives before the next writer is up waits for it.
    assert client.post(PATH, json=payload).status_code == 201
    assert services.recorder.writer_pid not in (None, killed)
    assert chain.verify(services.ledger).n == 2


def test_what_waits_for_a_killed_writer_s_successor_is_written(client, payload):
    services = client.app.state.services
    kill_writer(services.recorder)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(client.post(PATH, json=payload).status_code))
               for _ in range(8)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(statuses) <= {201, 503}
    assert chain.verify(services.ledger).n == statuses.count(201)
    assert client.post(PATH, json=payload).status_code == 201


def test_a_machine_that_starts_no_process_is_reported_until_it_does(client, payload, monkeypatch, caplog):
    services, start = client.app.state.services, recorder._writer
    monkeypatch.setattr(recorder, "_writer", lambda _connection: no_memory())
    kill_writer(services.recorder)
    assert client.post(PATH, json=payload).status_code == 503
    assert "ledger writer does not start" in caplog.text
    monkeypatch.setattr(recorder, "_writer", start)
    wait_until(lambda: client.post(PATH, json=payload).status_code == 201)
    assert chain.verify(services.ledger).n == 1


def kill_writer(used: recorder.Recorder) -> None:
    wait_until(lambda: used.writer_pid is not None)  # it starts together with the app
    os.kill(used.writer_pid, signal.SIGKILL)
    wait_until(lambda: used.writer_pid is None)


def no_memory():
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


@pytest.mark.usefixtures("own_writers")
def test_a_stop_writes_what_was_accepted_and_ends_the_writer(app, payload):
    with TestClient(app) as client:
        wait_until(lambda: app.state.services.store.champion is not None)
        assert client.post(PATH, json=payload).status_code == 201
        writer = app.state.services.recorder.writer_pid
        assert Path(f"/proc/{writer}").exists()
    assert app.state.services.recorder.writer_pid is None
    assert not Path(f"/proc/{writer}").exists()


def test_a_group_is_one_transaction(client, payload):
    used = client.app.state.services.recorder
    before = used.groups
    threads = [threading.Thread(target=lambda: client.post(PATH, json=payload)) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert used.recorded == 24
    assert used.groups - before < 24


@pytest.mark.parametrize(("n", "sizes"), [(1, [1]), (7, [7]), (9, [4, 5]), (200, [32, 64, 64, 40])])
def test_requests_that_arrive_together_are_recorded_together_and_an_idle_writer_gets_half_of_them(
    client, payload, monkeypatch, n, sizes
):
    services, seen = client.app.state.services, []
    submit = services.recorder.submit

    def watched(drafts: list[Draft], done: recorder.Done) -> None:
        seen.append(len(drafts))
        submit(drafts, done)

    monkeypatch.setattr(services.recorder, "submit", watched)
    requested = DecisionRequest(Payloads.of(UCI).request_of(payload), "test")

    async def ask() -> list[Decided]:
        return await asyncio.gather(*(services.decider.decide(requested) for _ in range(n)))

    with client.portal() as portal:
        decided = portal.call(ask)
    assert seen == sizes
    assert len({one.draft.id for one in decided}) == n
    assert len({one.draft.probability for one in decided}) == 1
    assert chain.verify(services.ledger).n == n
