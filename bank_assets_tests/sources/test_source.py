"""`BANK_SOURCE` resolved: what counts as real, what `auto` falls back to and why, and which sources must not mix."""

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bank_assets.contract.uci import UCI
from bank_assets.landing.header import DeliveryRefused
from bank_assets.settings import Settings
from bank_assets.sources.source import claim_landing, landed_source, open_from, resolve_source
from bank_assets.sources.uci import SourceError, is_pinned
from bank_assets.store.home_json import DamagedFileError


def offline(folder):
    raise SourceError(f"offline, so nothing in {folder.name}")


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", source="auto")


@pytest.fixture
def delivery(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(";".join(UCI.delivery_columns) + "\n")
    return path


@pytest.fixture
def real_file():
    path = Path(os.environ.get("BANK_SOURCE", ""))
    if not path.is_file() or not is_pinned(path):
        pytest.skip("BANK_SOURCE is not the path of the UCI file")
    return path


def test_auto_offline_falls_back_to_the_simulator_and_says_why(settings, tmp_path, caplog):
    source = resolve_source(settings, default_file=tmp_path / "data" / "bank-full.csv", download=offline)
    assert (source.kind, source.is_real, source.path) == ("simulated", False, None)
    assert source.label == "simulated (45,211 rows in 31 months, seed 20101117)"
    assert source.reason == "auto: no data/bank-full.csv, and offline, so nothing in downloads"
    assert (caplog.records[0].levelno, source.reason in caplog.text) == (logging.WARNING, True)


def test_auto_takes_the_file_in_the_data_folder_first(settings, delivery):
    source = resolve_source(settings, default_file=delivery, download=offline)
    assert (source.kind, source.path, source.is_real) == ("file", delivery, True)
    assert source.reason.startswith("auto: found ")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"path": 1}', b'{"path": null, "colour": 2}'])
def test_a_record_of_the_source_that_a_sender_overwrote_stops_no_run_and_claims_nothing(settings, delivery, content):
    source = resolve_source(settings, default_file=delivery, download=offline)
    claim_landing(source, settings.landing)
    (settings.landing / "source.json").write_bytes(content)
    assert (landed_source(settings.landing), open_from(settings.landing)) == (None, "")
    with pytest.raises(DamagedFileError, match="restore the file, or remove it"):
        claim_landing(source, settings.landing)


def test_auto_keeps_a_home_that_was_begun_with_simulated_contacts(settings, delivery):
    claim_landing(resolve_source(replace(settings, source="simulated")), settings.landing)
    source = resolve_source(settings, default_file=delivery, download=offline)
    assert source.kind == "simulated"
    assert "must not mix" in source.reason


def test_auto_downloads_into_the_home(settings, delivery, tmp_path):
    requested = []
    source = resolve_source(
        settings, default_file=tmp_path / "none.csv", download=lambda f: requested.append(f) or delivery
    )
    assert requested == [settings.home / "downloads"]
    assert (source.path, source.reason) == (delivery, "auto: downloaded from UCI")


def test_uci_does_not_fall_back(settings):
    with pytest.raises(SourceError, match="offline"):
        resolve_source(replace(settings, source="uci"), download=offline)


def test_a_missing_path_is_named(settings, tmp_path):
    with pytest.raises(SourceError, match=r"expected a CSV or Parquet file, uci, simulated or auto, found .*none\.csv"):
        resolve_source(replace(settings, source=str(tmp_path / "none.csv")))


def test_a_dateless_file_that_is_not_the_pinned_one_is_refused_by_name(settings, tmp_path):
    path = tmp_path / "almost.csv"
    path.write_text(";".join(UCI.delivery_columns[2:]) + "\n58;...\n")
    with pytest.raises(DeliveryRefused, match=r"almost\.csv: .*missing: 'contact_id', 'contact_date'"):
        resolve_source(replace(settings, source=str(path)))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"PK\x03\x04 xl/workbook.xml", "an Excel workbook or a ZIP archive; save the sheet as CSV UTF-8"),
        (b"<!doctype html><title>Log in</title>", "a web page, such as a log-in or an error; fetch the file again"),
        (b"", "an empty file"),
    ],
)
def test_a_file_of_another_format_is_called_what_it_is(settings, tmp_path, content, found):
    path = tmp_path / "calls.csv"
    path.write_bytes(content)
    with pytest.raises(DeliveryRefused, match=rf"^calls\.csv: expected .*, found {found}"):
        resolve_source(replace(settings, source=str(path)))


def test_a_banks_own_file_is_real_and_never_called_uci(settings, delivery):
    source = resolve_source(replace(settings, source=str(delivery)))
    assert source.is_real
    assert "UCI" not in source.label


def test_the_pinned_file_is_real(settings, real_file):
    source = resolve_source(replace(settings, source=str(real_file)))
    assert (source.is_real, source.kind, source.label) == (True, "file", "UCI bank-full.csv (sha256 d1513e…)")


def test_real_and_simulated_contacts_do_not_share_a_home(settings, delivery):
    simulated = resolve_source(replace(settings, source="simulated"))
    claim_landing(simulated, settings.landing)
    assert landed_source(settings.landing) == simulated
    for other in (resolve_source(replace(settings, source=str(delivery))),
                  resolve_source(replace(settings, source="simulated", seed=7))):  # fmt: skip
        with pytest.raises(SourceError, match="expected deliveries from one source, found simulated"):
            claim_landing(other, settings.landing)
    assert landed_source(settings.landing) == simulated


def test_a_users_file_may_grow(settings, delivery):
    claim_landing(resolve_source(replace(settings, source=str(delivery))), settings.landing)
    delivery.write_text(delivery.read_text() + "c-1\n")
    grown = resolve_source(replace(settings, source=str(delivery)))
    claim_landing(grown, settings.landing)
    assert landed_source(settings.landing) == grown
