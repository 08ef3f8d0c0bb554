"""The private PostgreSQL of the tests waits for a slow start, and shows its log if the start fails."""

import subprocess
from types import SimpleNamespace

import pytest

from bank_assets_tests.world import postgres


def test_a_start_that_timed_out_is_waited_for(tmp_path):
    failures = [subprocess.TimeoutExpired("pg_ctl", 10), AssertionError("starting")]

    def start():
        if failures:
            raise failures.pop(0)

    postgres.until_ready(SimpleNamespace(pgdata=tmp_path, log=tmp_path / "log"), start)
    assert failures == []


def test_a_server_that_never_starts_shows_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "START_SECONDS", 0)
    log = tmp_path / "log"
    log.write_text("FATAL: no space left on device")

    def start():
        raise subprocess.CalledProcessError(1, "pg_ctl")

    with pytest.raises(AssertionError, match="no space left"):
        postgres.until_ready(SimpleNamespace(pgdata=tmp_path, log=log), start)
