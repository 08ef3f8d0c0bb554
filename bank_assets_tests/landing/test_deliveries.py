"""Receiving delivered files: what is accepted, what is refused by name, and that no byte or row is ever lost."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest

from bank_assets.contract.uci import UCI
from bank_assets.landing.delivery_file import describe
from bank_assets.landing.header import DeliveryRefused
from bank_assets.landing.register import (
    delivered_months,
    manifest_path,
    month_digest,
    read_manifest,
)
from bank_assets_tests.landing.landing_home import NOW, contact
from bank_assets_tests.world.customers import delimited


def test_a_delivery_is_kept_byte_for_byte_and_described(home):
    text = delimited([contact(1), contact(2, "2008-06-02"), contact(3, "2008-06-03")])
    path = home.deliver(text)
    result = home.register()
    (delivery,) = result.new
    assert delivery.path.read_bytes() == text.encode()
    assert path.read_text() == text
    assert (delivery.rows, delivery.months, delivery.home_month) == (3, {"2008-05": 1, "2008-06": 2}, "2008-06")
    assert (delivery.first_day, delivery.last_day) == ("2008-05-05", "2008-06-03")
    assert (delivery.encoding, delivery.delimiter, delivery.columns) == ("utf-8", ";", UCI.delivery_columns)
    assert delivery.arrived_at == NOW.isoformat()
    assert read_manifest(home.warehouse) == (delivery,)
    assert delivered_months(home.warehouse) == ("2008-05", "2008-06")


def test_the_same_scan_again_changes_nothing_even_without_its_cache(home):
    home.deliver(delimited([contact()]))
    home.register()
    before = manifest_path(home.warehouse).read_bytes()
    assert home.register().unchanged == ["contacts/a.csv"]
    (home.warehouse / "raw" / "landing_index.json").unlink()
    assert home.register().unchanged == ["contacts/a.csv"]
    assert manifest_path(home.warehouse).read_bytes() == before


def test_a_duplicate_under_another_name_leaves_the_month_as_it_is(home):
    home.deliver(delimited([contact()]))
    home.register()
    digest = month_digest(home.month())
    home.deliver(delimited([contact()]), "b.csv")
    result = home.register()
    assert (result.new, result.unchanged) == ([], ["contacts/a.csv", "contacts/b.csv"])
    assert month_digest(home.month()) == digest
    assert len(list((home.warehouse / "raw" / "objects").rglob("*.csv"))) == 1
    assert [d.name for d in read_manifest(home.warehouse)] == ["a.csv", "b.csv"]


def test_a_changed_delivery_is_a_second_arrival_and_history_stays(home):
    home.deliver(delimited([contact(age="58")]))
    home.register()
    home.deliver(delimited([contact(age="59")]))
    home.register()
    first, second = home.month()
    assert (first.arrival, second.arrival) == (1, 2)
    assert first.path.exists()


def test_bytes_that_come_back_after_a_correction_win_again(home):
    for age in ("58", "59", "58"):
        home.deliver(delimited([contact(age=age)]))
        assert len(home.register().new) == 1
    assert [d.arrival for d in home.month()] == [2, 3]


def test_a_duplicate_that_touches_other_months_only_is_no_news(home):
    home.deliver(delimited([contact(1)]))
    home.deliver(delimited([contact(2, "2008-06-02")]), "june.csv")
    home.register()
    home.deliver(delimited([contact(1)]), "again.csv")
    assert home.register().new == []


def test_files_of_one_scan_arrive_in_the_order_they_were_written(home):
    home.deliver(delimited([contact(1)]), "z.csv")
    home.deliver(delimited([contact(2)]), "a.csv")
    assert [d.name for d in home.register().new] == ["z.csv", "a.csv"]


@pytest.mark.parametrize("day", ["", "05.05.2008", "2008-02-30", "1999-01-01", "2008-04-30", "2026-02-01", "NaN"])
def test_rows_without_a_usable_date_belong_to_the_home_month(home, day):
    rows = [contact(1, "2008-06-02"), contact(2, "2008-06-03"), contact(3, "2008-05-05"), contact(4, day)]
    home.deliver(delimited(rows))
    (delivery,) = home.register().new
    assert delivery.stray_rows == 1
    assert delivery.months == {"2008-05": 1, "2008-06": 3}
    assert sum(delivery.months.values()) == delivery.rows == 4


@pytest.mark.parametrize("day", ["2110-05-05", "2027-01-02", "2026-01-04"])
def test_days_that_lie_ahead_move_no_time_however_many_rows_have_them(home, day):
    ahead = [contact(number, day=day) for number in range(40)]
    home.deliver(delimited(ahead), "ahead.csv")
    home.deliver(delimited([*ahead, contact(99)]), "mixed.csv")
    (refused,), (taken,) = (found := home.register()).refused, found.new
    assert "expected a contact_date as YYYY-MM-DD, not before 2008-05 or after arrival, found none" in refused.problem
    assert (taken.name, taken.months, taken.last_day) == ("mixed.csv", {"2008-05": 41}, "2008-05-05")
    assert len(home.alerts()) == 1
    assert home.register().refused == []


def test_a_row_dated_on_the_day_after_arrival_is_no_stray(home):
    home.deliver(delimited([contact(1, (NOW + timedelta(days=1)).date().isoformat())]))
    assert home.register().new[0].stray_rows == 0


def test_short_long_and_quoted_rows_are_counted_once(home):
    header = ";".join(UCI.delivery_columns)
    good = ";".join(contact()[c] for c in UCI.delivery_columns)
    quoted = ";".join('"man;age""ment"' if c == "job" else contact()[c] for c in UCI.delivery_columns)
    open_quote = ";".join('"management' if c == "job" else contact()[c] for c in UCI.delivery_columns)
    lines = [header, good, "too;few", good + ";one too many", "", "   ", quoted, open_quote, good]
    home.deliver("\n".join(lines))  # no line end after the last row
    (delivery,) = home.register().new
    assert (delivery.rows, delivery.stray_rows, delivery.months) == (7 - 1, 1, {"2008-05": 6})


@pytest.mark.parametrize("wrong", ["2020-12-06", "2009-12-06"])
def test_a_contact_dated_far_from_the_rest_of_its_delivery_is_a_stray(home, wrong):
    days = [f"2010-12-{1 + n % 20:02}" for n in range(199)]
    home.deliver(delimited([contact(n, day) for n, day in enumerate([*days, wrong])]))
    (delivery,) = home.register().new
    assert (delivery.stray_rows, delivery.months, delivery.home_month) == (1, {"2010-12": 200}, "2010-12")
    assert (delivery.first_day, delivery.last_day) == ("2010-12-01", "2010-12-20")


def test_a_correction_is_far_from_nothing_and_an_outcome_may_be(home):
    home.deliver(delimited([contact(1, "2010-12-06"), contact(2, "2009-12-06")]))
    days = [*["2010-12-06"] * 50, "2020-12-06"]
    rows = [{"contact_id": f"c-{n}", "y": "yes", "arrived_at": day} for n, day in enumerate(days)]
    home.deliver(delimited(rows, UCI.outcome_columns), kind="outcomes")
    assert [one.stray_rows for one in home.register().new] == [0, 1]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_do_not_change_the_facts(home, line_end):
    rows = [contact(n, f"2008-0{5 + n % 3}-05", job="técnico") for n in range(20)]
    home.deliver(delimited(rows, line_end=line_end))
    (facts,) = home.register().new
    assert (facts.rows, facts.encoding) == (20, "utf-8")
    assert facts.months == {"2008-05": 7, "2008-06": 7, "2008-07": 6}


@pytest.mark.parametrize(
    ("encoding", "known_as"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("latin-1", "latin-1")]
)
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_encodings_and_delimiters_are_recognised(home, encoding, known_as, delimiter):
    content = delimited([contact(job="técnico")], delimiter=delimiter).encode(encoding)
    home.deliver(content)
    (delivery,) = home.register().new
    assert (delivery.encoding, delivery.delimiter, delivery.rows) == (known_as, delimiter, 1)
    assert delivery.path.read_bytes() == content


def test_quoted_headers_in_any_order_are_understood(home):
    columns = tuple(reversed(UCI.delivery_columns))
    quoted = {c: f'"{value}"' for c, value in contact().items()}
    text = delimited([quoted], columns).replace(";".join(columns), ";".join(f'"{c}"' for c in columns))
    home.deliver(b"\xef\xbb\xbf" + text.encode())
    assert home.register().new[0].columns == columns


WITHOUT_AGE = tuple(c for c in UCI.delivery_columns if c != "age")
ROW = contact()


@pytest.mark.parametrize(("content", "found"), [
    ("", "an empty file"),
    ("\n\n", "an empty first line"),
    ("\n" + delimited([contact()]), "an empty first line"),
    (delimited([]), "a header without rows"),
    (delimited([ROW], WITHOUT_AGE), "missing: 'age'"),
    (delimited([ROW | {"iban": "x"}], (*UCI.delivery_columns, "iban")), "extra: 'iban'"),
    (delimited([ROW], (*UCI.delivery_columns, "age")), "named twice: 'age'"),
    (delimited([ROW], UCI.delivery_columns[2:]), "missing: 'contact_id', 'contact_date'"),
    (delimited([ROW], delimiter=":"), "fields separated by :"),
    (delimited([ROW]).split("\n", 1)[1], "no header"),
    (delimited([ROW]).replace("\n", ";\n"), "a separator after the last column"),
    (delimited([ROW]).replace("contact_id", ";contact_id", 1), "a column without a name, as programs write for"),
    (delimited([ROW]).encode("utf-16"), "UTF-16 text"),
    (delimited([ROW]).encode("utf-16-le"), "UTF-16 or binary"),
    (gzip.compress(delimited([ROW]).encode()), "a gzip archive"),
    (b"PK\x03\x04", "an Excel workbook or a ZIP archive"),
    (delimited([ROW | {"contact_date": "5 May"}]), 'none in 1 rows; in the first "5 May"'),
    (delimited([ROW]).replace(";", ",", 18), "none in 1 rows; in the first expected 19 fields, found 1"),
    (b"x" * 70_000, "no line end in the first 65,536 bytes"),
])  # fmt: skip
def test_an_unusable_file_is_set_aside_with_its_reason_and_the_others_are_accepted(home, content, found):
    path = home.deliver(content, "bad.csv")
    original = path.read_bytes()
    home.deliver(delimited([contact()]), "good.csv")
    result = home.register()
    assert [d.name for d in result.new] == ["good.csv"]
    (refusal,) = result.refused
    assert found in refusal.problem
    assert refusal.problem.startswith("bad.csv: expected ")
    assert not path.exists()
    assert (home.landing / "refused" / "bad.csv").read_bytes() == original
    reason = json.loads((home.landing / "refused" / "bad.csv.reason.json").read_text())
    assert found in reason["found"]
    assert (reason["kind"], reason["size_bytes"]) == ("contacts", len(original))
    assert len(list((home.warehouse / "raw" / "objects").rglob("*.*"))) == 1
    assert home.register().refused == []


def test_two_refused_files_of_one_name_are_both_kept(home):
    for content in ("", "still no header"):
        home.deliver(content, "bad.csv")
        home.register()
    kept = sorted((home.landing / "refused").glob("bad*.csv"))
    assert [path.read_text() for path in kept] == ["still no header", ""]
    assert len(list((home.landing / "refused").glob("*.reason.json"))) == 2


def test_the_refusal_of_a_dateless_file_says_what_to_do(home):
    home.deliver(delimited([ROW], UCI.delivery_columns[2:]), "bank.csv")
    assert "BANK_SOURCE" in home.register().refused[0].problem


def test_a_file_still_being_written_waits(home):
    path = home.deliver(delimited([contact()]))
    written = datetime.fromtimestamp(path.stat().st_ctime, UTC)
    assert home.register(written + timedelta(seconds=4), 5).incomplete == ["contacts/a.csv"]
    assert read_manifest(home.warehouse) == ()
    assert len(home.register(written + timedelta(seconds=6), 5).new) == 1


def test_a_file_from_a_clock_that_is_wrong_does_not_wait_for_its_time(home):
    path = home.deliver(delimited([contact()]))
    written = datetime.fromtimestamp(path.stat().st_ctime, UTC)
    assert home.register(written - timedelta(seconds=4), 5).incomplete == ["contacts/a.csv"]
    assert len(home.register(written - timedelta(days=400), 5).new) == 1


def test_a_file_that_grows_while_it_is_copied_waits(home, monkeypatch):
    path = home.deliver(delimited([contact(1)]))

    def describe_while_the_sender_writes(*args, **facts):
        with path.open("a") as stream:
            stream.write(delimited([contact(2)]).split("\n", 1)[1])
        return describe(*args, **facts)

    with monkeypatch.context() as patch:
        patch.setattr("bank_assets.landing.deliveries.describe", describe_while_the_sender_writes)
        result = home.register()
    assert (result.new, result.incomplete) == ([], ["contacts/a.csv"])
    assert read_manifest(home.warehouse) == ()
    assert home.register().new[0].rows == 2


def test_outcomes_and_campaigns_have_their_own_headers_and_months(home):
    outcome = {"contact_id": "c-1", "y": "yes", "duration": "90", "arrived_at": "2008-05-09T10:00:00Z"}
    home.deliver(delimited([outcome], UCI.outcome_columns), kind="outcomes")
    home.deliver(delimited([contact(day="2031-01-01")], UCI.campaign_columns), kind="campaigns")
    home.deliver(delimited([contact()]), "leaky.csv", kind="campaigns")
    result = home.register()
    assert {d.kind: d.months for d in result.new} == {"outcomes": {"2008-05": 1}, "campaigns": {"2031-01": 1}}
    assert "extra: 'duration', 'y'" in result.refused[0].problem
    assert [d.kind for d in home.month("2008-05", "outcomes")] == ["outcomes"]
    assert home.month("2008-05") == ()


def test_a_month_with_one_row(home):
    home.deliver(delimited([contact()]))
    home.register()
    assert home.month()[0].months == {"2008-05": 1}


def test_a_row_with_a_very_long_field_counts_by_its_day(home):
    long_row = "x" * 200_000 + ";2008-06-05"
    home.deliver(delimited([contact()]) + long_row)
    (delivery,) = home.register().new
    assert (delivery.months, delivery.stray_rows) == ({"2008-05": 1, "2008-06": 1}, 0)


def test_a_missing_landing_folder_is_empty_not_an_error(home):
    assert home.register().new == []


def test_a_time_without_zone_is_refused(home):
    with pytest.raises(ValueError, match="time with zone"):
        home.register(datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_refusal_carries_its_three_parts():
    problem = DeliveryRefused("a.csv", expected="x", found="y", to_do="do z")
    assert str(problem) == "a.csv: expected x, found y; do z."
