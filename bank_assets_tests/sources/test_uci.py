"""The pinned UCI file: its download and the dates its row order implies."""

import hashlib
import http.server
import io
import os
import threading
import zipfile
from datetime import date
from pathlib import Path

import pytest

from bank_assets.contract.uci import UCI
from bank_assets.sources import uci
from bank_assets.sources.uci import SourceError, download_uci, is_pinned
from bank_assets.sources.undated import implied_dates

CSV = b'"age";"y"\n58;"no"\n'
SHA = hashlib.sha256(CSV).hexdigest()


def archive(content=CSV, inner="bank-full.csv", outer="bank.zip"):
    def packed(name, payload):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
            opened.writestr(name, payload)
        return buffer.getvalue()

    return packed(outer, packed(inner, content))


@pytest.fixture
def site():
    """A local web site with one page; `site.body` and `site.hits` can be read and set."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.hits += 1
            self.send_response(200 if self.server.body is not None else 503)
            self.end_headers()
            self.wfile.write(self.server.body or b"")

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.body, server.hits = archive(), 0
    server.url = f"http://127.0.0.1:{server.server_port}/bank.zip"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_download_unpacks_the_nested_archive_once(site, tmp_path):
    path = download_uci(tmp_path, url=site.url, sha256=SHA)
    assert path.read_bytes() == CSV
    assert download_uci(tmp_path, url=site.url, sha256=SHA) == path
    assert site.hits == 1


def test_a_damaged_copy_is_fetched_again(site, tmp_path):
    path = download_uci(tmp_path, url=site.url, sha256=SHA)
    path.write_bytes(CSV[:-1])
    assert download_uci(tmp_path, url=site.url, sha256=SHA).read_bytes() == CSV
    assert site.hits == 2


@pytest.mark.parametrize(("body", "message"), [
    (archive(CSV + b"1"), "expected sha256"),
    (archive(inner="other.csv"), "expected bank-full.csv inside bank.zip"),
    (archive(outer="other.zip"), "expected bank-full.csv inside bank.zip"),
    (b"<html>maintenance</html>", "expected bank-full.csv inside bank.zip"),
    (None, "Service Unavailable"),
])  # fmt: skip
def test_a_wrong_download_is_named_and_not_kept(site, tmp_path, body, message):
    site.body = body
    with pytest.raises(SourceError, match=message) as caught:
        download_uci(tmp_path, url=site.url, sha256=SHA)
    assert "BANK_SOURCE" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_too_large_a_download_is_stopped(site, tmp_path, monkeypatch):
    monkeypatch.setattr(uci, "_LIMIT_BYTES", 100)
    with pytest.raises(SourceError, match="more than 100 bytes"):
        download_uci(tmp_path, url=site.url, sha256=SHA)


def test_a_download_that_trickles_ends_at_the_limit(site, tmp_path, monkeypatch):
    clock = iter([0.0, 61.0])  # the first chunk arrives when the 60 s are over
    monkeypatch.setattr(uci.time, "monotonic", lambda: next(clock))
    with pytest.raises(SourceError, match="after 60 s"):
        download_uci(tmp_path, url=site.url, sha256=SHA)


def test_offline_says_what_to_do(tmp_path):
    with pytest.raises(SourceError, match=r"connect to the internet and run again, or set BANK_SOURCE"):
        download_uci(tmp_path, url="http://127.0.0.1:9/bank.zip", timeout_seconds=5)


def test_only_the_exact_bytes_are_pinned(tmp_path):
    path = tmp_path / "bank-full.csv"
    path.write_bytes(b"x" * uci.UCI_BYTES)
    assert not is_pinned(path)
    path.write_bytes(CSV)
    assert not is_pinned(path)


def test_the_year_turns_when_the_month_falls():
    months = ["may", "may", "nov", "jan", "dec", "jan"]
    assert implied_dates(UCI, {"month": months, "day": [5, 6, 3, 7, 1, 1]}) == [
        date(2008, 5, 5), date(2008, 5, 6), date(2008, 11, 3), date(2009, 1, 7), date(2009, 12, 1), date(2010, 1, 1),
    ]  # fmt: skip


def test_rows_out_of_order_and_impossible_days_are_refused():
    with pytest.raises(SourceError, match="row 2: expected rows ordered by contact date"):
        implied_dates(UCI, {"month": ["may", "may"], "day": [6, 5]})
    with pytest.raises(SourceError, match="row 1: expected a date, found 31 jun 2008"):
        implied_dates(UCI, {"month": ["jun"], "day": [31]})


@pytest.fixture(scope="module")
def real_file():
    path = Path(os.environ.get("BANK_SOURCE", ""))
    if not path.is_file() or not is_pinned(path):
        pytest.skip("BANK_SOURCE is not the path of the UCI file")
    return path


def test_the_real_file_has_561_days(real_file):
    fields = [line.split(";") for line in real_file.read_text().splitlines()[1:]]
    dates = implied_dates(UCI, {"month": [f[10].strip('"') for f in fields], "day": [f[9] for f in fields]})
    assert len(dates) == 45_211
    assert len(set(dates)) == 561
    assert (min(dates), max(dates)) == (date(2008, 5, 5), date(2010, 11, 17))
    assert sum(d.weekday() >= 5 for d in dates) / len(dates) < 0.0012
