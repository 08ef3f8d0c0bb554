"""The ledger writer as a program: frames, grouped commits, errors without customers' values, its end."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_assets.ledger import chain, decisions
from bank_assets.ledger.engine import open_ledger, writing
from bank_assets.ledger.ids import new_id
from bank_assets.ledger.records import Draft
from bank_assets_tests.world.app import refusing_decisions
from serving.decisions import ledger_writer
from serving.decisions.ledger_writer import GROUP_ROWS, Frames, Written, frame, group_frame


@pytest.fixture
def ledger(tmp_path):
    engine = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield engine
    engine.dispose()


def draft(**values) -> Draft:
    """A made-up decision."""
    made = dict.fromkeys(Draft.__dataclass_fields__, "x")
    made |= {"probability": 0.2, "probability_low": 0.1, "probability_high": 0.3, "threshold": 0.1}
    made |= {"expected_profit_eur": 5.0, "stale_features": False, "payload": "{}", "economics": "{}", "flags": "[]"}
    made |= {"as_of_features": "{}", "batch_id": None, "decision": "call", "prediction": "yes"}
    return Draft(**(made | {"id": new_id()} | values))


class Line:
    """The app's side of the socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._frames = Frames()
        self._read: list[Written] = []

    def read(self) -> Written:
        while not self._read:
            data = self.connection.recv(65_536)
            assert data, "the writer is gone"
            self._read += [msgspec.msgpack.decode(one, type=Written) for one in self._frames.feed(data)]
        return self._read.pop(0)


@contextmanager
def writer(url: str) -> Iterator[tuple[Line, subprocess.Popen]]:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "serving.decisions.ledger_writer", str(theirs.fileno())]
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True)
    theirs.close()
    ours.settimeout(30)
    ours.sendall(frame(url))
    try:
        yield Line(ours), process
    finally:
        ours.close()
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")


@given(messages=st.lists(st.binary(max_size=300), max_size=6), cuts=st.lists(st.integers(1, 50), max_size=40))
def test_messages_survive_any_cut_of_the_stream(messages, cuts):
    stream = b"".join(frame(message) for message in messages)
    frames, found = Frames(), []
    for size in cuts:
        found += frames.feed(stream[:size])
        stream = stream[size:]
    found += frames.feed(stream)
    assert [msgspec.msgpack.decode(one) for one in found] == messages


def test_a_draft_arrives_as_it_was_sent():
    sent = draft(contact_id="Zoë \U0001f600", probability=0.1 + 0.2, mlflow_run_id=None)
    (message,) = Frames().feed(group_frame([sent, sent]))
    assert [Draft(*row) for row in msgspec.msgpack.decode(message)] == [sent, sent]


@pytest.mark.slow
def test_groups_that_wait_are_joined(ledger):
    with writer(str(ledger.url)) as (line, _):
        line.connection.sendall(group_frame([draft()]))
        assert line.read() == Written(1)
        with writing(ledger):  # the writer waits for this lock with the first, and finds the others afterwards
            line.connection.sendall(group_frame([draft()]))
            threading.Event().wait(0.3)
            for _ in range(3):
                line.connection.sendall(group_frame([draft(), draft()]))
        assert [line.read().n_groups for _ in range(2)] == [1, 3]
    assert (chain.verify(ledger).ok, chain.verify(ledger).n) == (True, 8)


def test_groups_are_joined_up_to_a_limit(ledger):
    n = GROUP_ROWS * 2 // 5  # two groups fit into a transaction, three do not
    messages = Frames().feed(b"".join(group_frame([draft() for _ in range(n)]) for _ in range(5)))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ledger_writer._write(theirs, ledger, messages)
        line = Line(ours)
        assert [line.read().n_groups for _ in range(3)] == [2, 2, 1]
    assert chain.verify(ledger).n == 5 * n


@pytest.mark.slow
def test_an_error_is_reported_without_values_and_the_writer_continues(ledger):
    with writer(str(ledger.url)) as (line, _):
        with refusing_decisions(ledger):
            line.connection.sendall(group_frame([draft(contact_id="secret")]))
            assert line.read() == Written(1, "LedgerWriteError")
        line.connection.sendall(group_frame([draft()]))
        assert line.read() == Written(1)
    assert chain.verify(ledger).n == 1


def test_an_unknown_error_is_reported_with_its_place_only(ledger, monkeypatch):
    def crash(engine, drafts):
        raise MemoryError("secret")

    monkeypatch.setattr(decisions, "append", crash)
    said = ledger_writer._written(ledger, [[draft()], [draft()]])
    assert (said.n_groups, said.error) == (2, "MemoryError")
    assert "in crash" in said.trace
    assert "secret" not in said.trace.replace('raise MemoryError("secret")', "")


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_is_the_app_s_to_order(ledger, signum):
    with writer(str(ledger.url)) as (line, process):
        line.connection.sendall(group_frame([draft()]))
        assert line.read() == Written(1)
        process.send_signal(signum)
        line.connection.sendall(group_frame([draft()]))
        assert line.read() == Written(1)


@pytest.mark.slow
def test_the_transaction_that_runs_when_the_app_dies_is_finished(ledger):
    with writer(str(ledger.url)) as (line, process):
        with writing(ledger):
            line.connection.sendall(group_frame([draft()]))
            threading.Event().wait(0.5)
            line.connection.close()
        process.wait(30)
    assert (chain.verify(ledger).ok, chain.verify(ledger).n) == (True, 1)


@pytest.mark.slow
def test_the_url_is_not_on_the_command_line(ledger):
    with writer(str(ledger.url)) as (line, process):
        line.connection.sendall(group_frame([draft()]))
        line.read()
        assert "ledger.db" not in Path(f"/proc/{process.pid}/cmdline").read_text()
