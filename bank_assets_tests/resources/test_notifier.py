"""The log of alerts and its channels: a real webhook receiver, files, failing channels, concurrent writers."""

import email
import json
import logging
import multiprocessing
import socketserver
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bank_assets.core.alerts.alert import AlertKind, Occurrence
from bank_assets.core.alerts.campaign_catalogue import list_made
from bank_assets.core.alerts.catalogue import model_judged, nothing_arrived, run_failed
from bank_assets.resources.notifier import GIVE_UP_AFTER, Channel, Notifier, body_of
from bank_assets.settings import Settings
from bank_assets.store.alert_log import AlertLog
from bank_assets.store.standard_webhooks import verified

pytestmark = pytest.mark.slow

NOW = datetime(2010, 11, 2, tzinfo=UTC)
OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "A" * 32


def alert(number=1, at=NOW):
    return run_failed(Occurrence(at.isoformat(), f"run-{number}"), "main_job", f"step_{number}", "OSError", "", "r")


@pytest.fixture
def notifier(tmp_path):
    return Notifier(Settings(home=tmp_path, public_url="http://bank.example", ui_url="http://ui.example"))


class Receiver:
    """A webhook receiver that keeps what it got, and answers with `status`."""

    def __init__(self):
        self.status, self.got, self.signed = 200, [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.got.append(json.loads(body))
                outer.signed.append(({name.lower(): text for name, text in self.headers.items()}, body))
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()

    @property
    def url(self):
        return f"json://user:s3cretword@127.0.0.1:{self.port}/hook"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


class MailHandler(socketserver.StreamRequestHandler):
    """As much SMTP as a client needs to hand over a mail."""

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.got.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                return


def test_a_mail_arrives_with_subject_text_and_link(notifier):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailHandler) as server:
        server.daemon_threads, server.got = True, []
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        notifier.log.append([alert(1)])
        url = f"mailto://127.0.0.1:{server.server_address[1]}/?from=bank@example.com&to=team@example.com&mode=insecure"
        (progress,) = notifier.deliver([url], now=NOW).values()
        server.shutdown()
    assert (progress.sent, progress.failures) == (1, 0)
    mail = email.message_from_string(server.got[0])
    assert mail["Subject"] == "The run main_job failed"
    assert "team@example.com" in mail["To"]
    text = "".join(part.get_payload(decode=True).decode() for part in mail.walk() if not part.is_multipart())
    assert "http://ui.example/runs/run-1" in text


class TestLog:
    def test_one_line_each_with_links_and_no_second_of_the_same(self, notifier):
        assert notifier.log.append([alert(1), alert(2), alert(1)]) == [alert(1), alert(2)]
        assert notifier.log.append([alert(2), alert(3)]) == [alert(3)]
        documents = [json.loads(line) for line in notifier.log.path.read_text().splitlines()]
        assert [one["run_url"] for one in documents] == [f"http://ui.example/runs/run-{n}" for n in (1, 2, 3)]
        assert notifier.log.path.parent.name == "reports"

    def test_each_appears_in_the_log_of_the_process(self, notifier, caplog):
        with caplog.at_level(logging.INFO, "bank_assets.alerts"):
            notifier.log.append([alert(1)])
            notifier.log.append([alert(1)])
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "The run main_job failed" in caplog.text

    def test_a_line_torn_by_a_crash_is_ignored(self, notifier):
        notifier.log.append([alert(1)])
        with notifier.log.path.open("ab") as stream:
            stream.write(b'{"key": "torn')
        assert [document["key"] for _, document in notifier.log.read()] == [alert(1).key]
        notifier.log.append([alert(2)])
        assert [document["key"] for _, document in notifier.log.read()] == [alert(1).key, alert(2).key]

    def test_a_full_disk_is_an_error_and_nothing_is_lost(self, notifier, monkeypatch):
        notifier.log.append([alert(1)])
        monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space left on device")))
        with pytest.raises(OSError, match="no space"):
            notifier.log.append([alert(2)])
        monkeypatch.undo()
        notifier.log.append([alert(2)])
        assert {document["key"] for _, document in notifier.log.read()} == {alert(1).key, alert(2).key}


def write_many(path, first, ready):
    ready.wait()
    log = AlertLog(path, "http://bank.example", "http://ui.example")
    for number in range(first, first + 40):
        log.append([alert(number)])


def test_two_processes_that_write_at_once_lose_and_repeat_nothing(tmp_path):
    path = tmp_path / "reports" / "alerts.jsonl"
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    # their ranges overlap by half; an alert of both is in the log once
    writers = [spawn.Process(target=write_many, args=(path, first, ready)) for first in (0, 20)]
    for writer in writers:
        writer.start()
    ready.set()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    keys = [json.loads(line)["key"] for line in path.read_text().splitlines()]
    assert sorted(keys) == sorted(alert(number).key for number in range(60))


class TestChannels:
    def test_alerts_for_the_pages_are_not_sent(self, notifier, receiver):
        quiet = model_judged(Occurrence(NOW.isoformat()), row_id=1, gate="recalibration", is_promoted=True,
                             from_version="1", to_version="1", reasons=["moved"])  # fmt: skip
        notifier.log.append([quiet, alert(1)])
        (progress,) = notifier.deliver([receiver.url], now=NOW).values()
        assert [one["title"] for one in receiver.got] == ["The run main_job failed"]
        assert (progress.sent, progress.offset) == (1, notifier.log.size)

    def test_a_webhook_gets_title_text_and_links_once(self, notifier, receiver):
        notifier.log.append([alert(1), nothing_arrived(Occurrence(NOW.isoformat()), "2010-10-28", 5, 4, "d")])
        for _ in range(2):
            (progress,) = notifier.deliver([receiver.url], now=NOW).values()
        assert [one["title"] for one in receiver.got] == [
            "The run main_job failed",
            "Nothing has been delivered for 5 days",
        ]
        assert "http://ui.example/runs/run-1" in receiver.got[0]["message"]
        assert [one["type"] for one in receiver.got] == ["failure", "warning"]
        assert (progress.sent, progress.failures) == (2, 0)

    def test_an_alert_that_cannot_be_read_holds_back_no_other(self, notifier, tmp_path):
        notifier.log.append([alert(1)])
        with notifier.log.path.open("a") as stream:
            stream.write('{"schema_version": 1, "key": "k"}\n{"key": "k2", "at": "soon"}\n')
        notifier.log.append([alert(2)])
        (progress,) = notifier.deliver([f"file://{tmp_path}/sent.jsonl"], now=NOW).values()
        assert (progress.sent, progress.offset) == (2, notifier.log.size)

    def test_a_file_gets_the_lines_themselves(self, notifier, tmp_path):
        notifier.log.append([alert(1)])
        notifier.deliver([f"file://{tmp_path}/told/here.jsonl"], now=NOW)
        assert (tmp_path / "told" / "here.jsonl").read_text() == notifier.log.path.read_text()

    def test_a_failing_channel_is_reported_and_retried_and_delays_no_other(self, notifier, receiver, tmp_path, caplog):
        receiver.status = 503
        urls = [receiver.url, f"file://{tmp_path}/told.jsonl"]
        notifier.log.append([alert(1), alert(2)])
        dead, alive = notifier.deliver(urls, now=NOW).values()
        assert (dead.sent, dead.failures, alive.sent) == (0, 1, 2)
        assert "not sent" in caplog.text
        assert len(receiver.got) == 1  # it is not hammered with the second alert
        notifier.deliver(urls, now=NOW + timedelta(seconds=30))
        assert len(receiver.got) == 1  # nor before its pause is over
        receiver.status = 200
        back, alive = notifier.deliver(urls, now=NOW + timedelta(seconds=61)).values()
        assert (back.sent, back.failures, back.retry_at, alive.sent) == (2, 0, None, 2)

    def test_pauses_grow_up_to_half_an_hour(self, notifier):
        notifier.log.append([alert(1)])
        now, pauses = NOW, []
        for _ in range(8):
            (progress,) = notifier.deliver(["json://127.0.0.1:9/nobody"], now=now).values()
            retry = datetime.fromisoformat(progress.retry_at)
            pauses.append((retry - now) / timedelta(minutes=1))
            now = retry
        assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]

    def test_what_stays_undeliverable_is_given_up_and_logged(self, notifier, caplog):
        notifier.log.append([alert(1)])
        notifier.deliver(["json://127.0.0.1:9/nobody"], now=NOW)
        (progress,) = notifier.deliver(
            ["json://127.0.0.1:9/nobody"], now=NOW + GIVE_UP_AFTER + timedelta(hours=1)
        ).values()
        assert (progress.given_up, progress.retry_at) == (1, None)
        assert "dropped" in caplog.text

    @pytest.mark.parametrize("url", ["nonsense://x", "xoxb-plain-token", "file:///proc/nowhere/alerts.jsonl"])
    def test_an_unusable_address_is_a_problem_of_its_own(self, notifier, url):
        notifier.log.append([alert(1)])
        (progress,) = notifier.deliver([url], now=NOW).values()
        assert progress.failures == 1

    def test_a_new_channel_is_not_flooded_with_history(self, notifier, receiver):
        notifier.log.append([alert(1, NOW - timedelta(days=30)), alert(2, NOW - timedelta(hours=2))])
        notifier.deliver([receiver.url], now=NOW)
        assert ["step_2" in one["message"] for one in receiver.got] == [True]

    def test_no_secret_of_an_address_is_logged_or_kept(self, notifier, receiver, caplog):
        receiver.status = 500
        notifier.log.append([alert(1)])
        dead = "json://127.0.0.1:9/A1BRTD4JD?+authorization=TIiajkdnlaz"
        with caplog.at_level(logging.DEBUG):
            notifier.deliver([receiver.url, dead, "plain-s3cretword"], now=NOW)
        kept = "".join(path.name + path.read_text() for path in notifier.log.path.parent.parent.rglob("*.json*"))
        assert receiver.got
        assert caplog.text.count("not sent") == 3
        names = Channel(receiver.url).name + Channel("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlaz").name
        for secret in ("s3cretword", "A1BRTD4JD", "TIiajkdnlaz", "T1JJ3T3L2"):
            assert secret not in caplog.text + kept + names + repr(notifier)

    def test_a_signed_webhook_can_be_verified_names_nobody_and_is_sent_again_under_its_id(self, notifier, receiver):
        receiver.status = 302
        url = f"webhook://127.0.0.1:{receiver.port}/hook#{OLD}#{NEW}"
        notifier.log.append([list_made(Occurrence(NOW.isoformat()), "L-1", "autumn.csv", 20)])
        (progress,) = notifier.deliver([url], now=NOW).values()
        assert (progress.sent, progress.problem) == (0, "the receiver answered 302")
        receiver.status = 200
        (progress,) = notifier.deliver([url, f"{url}more"], now=NOW + timedelta(minutes=2)).values()
        assert (progress.sent, progress.problem) == (1, "")
        assert {verified([key], *one, time.time()) for one in receiver.signed for key in (OLD, NEW)} == {
            list_made(Occurrence(""), "L-1", "", 0).key
        }
        assert receiver.got[1]["type"] == "list.made"
        assert receiver.got[1]["data"]["subject"] == "L-1"

    def test_a_signed_webhook_names_what_happened(self, notifier, receiver):
        one = list_made(Occurrence(NOW.isoformat()), "L-1", "autumn.csv", 20)
        kinds = (AlertKind.LIST_CLOSED, AlertKind.PROMOTED, AlertKind.OBJECTION, AlertKind.TEST)
        notifier.log.append([replace(one, kind=kind, key=f"{kind}-1") for kind in kinds])
        notifier.deliver([f"webhook://127.0.0.1:{receiver.port}/hook#{NEW}"], now=NOW)
        types = ["list.closed", "champion.changed", "objection.received", "alert.test"]
        assert [got["type"] for got in receiver.got] == types

    def test_a_webhook_without_a_usable_key_is_not_sent_unsigned(self, notifier, receiver):
        notifier.log.append([alert(1)])
        for secrets in ("", "#whsec_c2hvcnQ="):
            (progress,) = notifier.deliver([f"webhook://127.0.0.1:{receiver.port}/{secrets}"], now=NOW).values()
            assert "webhook secret" in progress.problem
        assert receiver.got == []

    def test_one_process_delivers_at_a_time(self, notifier, receiver):
        import fcntl

        notifier.log.append([alert(1)])
        notifier.deliver([], now=NOW)
        with (notifier.log.path.parent.parent / "alerts" / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert notifier.deliver([receiver.url], now=NOW) == {}
        assert receiver.got == []


def test_a_message_without_links_has_none():
    text = body_of({"text": "A.", "action": "B.", "as_of": "2010-11-01", "page_url": "", "run_url": ""})
    assert text == "A.\n\nB.\n\nData up to 2010-11-01."
