"""Delivered text becomes three tables, and every row ends in exactly one of them or is superseded."""

from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bank_assets.contract.uci import MONTHS, UCI, UCI_FILE_COLUMNS
from bank_assets.core.drift.month_profile import OTHER
from bank_assets.spark.etl import Conservation, DeliveryReadError
from bank_assets_tests.world.customers import STORED, delimited

pytestmark = pytest.mark.spark


def test_a_row_becomes_a_typed_contact_and_an_outcome(deliver, build, contact):
    built = build([deliver([contact(pdays=92, previous=3, poutcome="success", y="yes", duration=307)])])
    assert built.one("contacts") == STORED | {
        "days_since_previous_contact": 92,
        "was_previously_contacted": True,
        "previous_contacts": 3,
        "previous_outcome": "success",
    }
    assert built.one("outcomes") == {
        "contact_id": "c-1",
        "is_subscribed": True,
        "duration_seconds": 307,
        "arrived_on": date(2008, 5, 5),
        "delivery_arrival": 1,
    }
    assert built.result.contacts == {"2008-05": Conservation(rows_in=1, rows_out=1)}
    assert built.rows("rejected_contacts") == []


def test_contacts_hold_nothing_that_is_known_only_after_the_call():
    names = {column.table for column in UCI.columns if column.is_input}
    assert not names & {c.table for c in UCI.columns if c.source in ("duration", "y")}
    assert {c.table for c in UCI.columns} - names == {"duration_seconds", "is_subscribed"}


def test_sentinels_are_explicit(deliver, build, contact):
    row = build([deliver([contact(pdays=-1)])]).one("contacts")
    assert row["days_since_previous_contact"] is None
    assert row["was_previously_contacted"] is False
    assert row["contact_channel"] == "unknown", "not knowing the channel is a fact, not a missing value"


def test_an_outcome_that_is_not_known_yet_is_no_row(deliver, build, contact):
    open_, called, known = contact(y="", duration=""), contact(y="", duration=12), contact(y="no", duration="")
    rows = [row | {"contact_id": name} for name, row in (("a", open_), ("b", called), ("c", known))]
    built = build([deliver(rows)])
    outcomes = built.by_id("outcomes")
    assert set(outcomes) == {"b", "c"}
    assert (outcomes["b"]["is_subscribed"], outcomes["b"]["duration_seconds"]) == (None, 12)
    assert (outcomes["c"]["is_subscribed"], outcomes["c"]["duration_seconds"]) == (False, None)
    assert len(built.rows("contacts")) == 3


def test_blank_lines_are_not_rows(deliver, build, contact):
    line = ";".join(str(value) for value in contact().values())
    built = build([deliver((";".join(UCI.delivery_columns) + f"\n\n{line}\n   \n\n").encode())])
    assert built.result.contacts["2008-05"] == Conservation(rows_in=1, rows_out=1)


CLOTHES = {
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "comma": lambda text: text.replace(";", ",").encode(),
    "quotes": lambda text: text.replace("management", '"management"').encode(),
    "spaces": lambda text: text.replace(";", " ; ").encode(),
    "no last line end": lambda text: text[:-1].encode(),
}


def test_the_same_rows_in_other_clothes(deliver, build, contact):
    names = {name: [f"{name} {n}" for n in range(3)] for name in CLOTHES}
    texts = {name: delimited(contact(contact_id=one, balance=n) for n, one in enumerate(names[name])) for name in names}
    built = build([deliver(change(texts[name])) for name, change in CLOTHES.items()])
    found = {row["contact_id"]: (row["balance_eur"], row["job"]) for row in built.rows("contacts")}
    assert found == {one: (n, "management") for ids in names.values() for n, one in enumerate(ids)}


def test_deliveries_of_different_formats_make_one_table(deliver, build, contact):
    turned = tuple(reversed(UCI.delivery_columns))
    files = [
        deliver([contact(contact_id="a")]),
        deliver([contact(contact_id="b")], delimiter=",", columns=turned),
        deliver([contact(contact_id="c", contact_date="2008-07-01")], columns=turned),
        deliver([contact(contact_id="d")]),
    ]
    built = build(files)
    arrivals = {row["contact_id"]: row["delivery_arrival"] for row in built.rows("contacts")}
    assert arrivals == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert set(built.result.files["contacts"]) == {"2008-05", "2008-07"}
    assert {row["age_years"] for row in built.rows("contacts")} == {58}


def test_a_month_with_one_row_and_a_month_without_any(deliver, build, contact):
    built = build([deliver([contact()])], months=["2008-05", "2008-09"])
    assert {month: counts.rows_out for month, counts in built.result.contacts.items()} == {"2008-05": 1}
    assert set(built.result.files["contacts"]) == {"2008-05"}


def test_a_small_month_is_one_file(deliver, build, contact):
    files = [deliver([contact(contact_id=f"{k}-{n}") for n in range(20)]) for k in range(4)]
    built = build(files)
    assert [len(names) for names in built.result.files["contacts"].values()] == [1]


def test_late_outcomes_have_their_own_arrival_and_keep_history(deliver, build, contact):
    contacts = deliver([contact(y="", duration="")])
    outcomes = deliver(
        [
            {"contact_id": "c-1", "y": "no", "duration": 61, "arrived_at": "2008-06-02"},
            {"contact_id": "c-1", "y": "yes", "duration": 61, "arrived_at": "2008-07-03T09:30:00+00:00"},
            {"contact_id": "c-1", "y": "yes", "duration": 61, "arrived_at": "2008-07-03"},
            {"contact_id": "c-2", "y": "", "duration": 10, "arrived_at": "2008-07-03"},
            {"contact_id": "c-3", "y": "no", "duration": "long", "arrived_at": "2008-07-03"},
        ],
        kind="outcomes",
    )
    built = build([contacts], [outcomes])
    known = sorted((row["arrived_on"], row["is_subscribed"]) for row in built.rows("outcomes"))
    assert known == [(date(2008, 6, 2), False), (date(2008, 7, 3), True)]
    assert built.result.outcomes["2008-07"] == Conservation(
        rows_in=4,
        rows_out=1,
        rejected=2,
        superseded=1,
        identical=1,
        codes={"duration.not_an_integer_in_range": 1, "y.missing": 1},
    )
    rejected = built.rows("rejected_contacts")
    assert {row["kind"] for row in rejected} == {"outcomes"}
    assert {row["arrived_at"] for row in rejected} == {"2008-07-03"}


def test_outcomes_alone_are_enough_for_a_run(deliver, build):
    outcome = {"contact_id": "c-1", "y": "no", "duration": 1, "arrived_at": "2008-06-02"}
    built = build([], [deliver([outcome], kind="outcomes")])
    assert built.one("outcomes")["contact_id"] == "c-1"
    assert built.rows("contacts") == []


def test_the_profile_of_a_month_counts_its_rows_before_one_is_left_out(deliver, build, contact):
    rows = [contact(contact_id=f"c-{n}") for n in range(4)]
    spoiled = [rows[0] | {"age": "x", "y": ""}, rows[1] | {"age": "", "job": "astronaut"}]
    corrected = [rows[0] | {"age": 33}]
    built = build([deliver([*rows, *spoiled, *corrected])])
    profile = built.result.profiles["2008-05"]
    assert (profile.rows, profile.contacts, profile.superseded) == (7, 4, 1)
    assert profile.uncorrected == 1, "a later usable row of the contact corrects one of the two"
    assert profile.most_rows_of_a_contact == 2
    assert profile.violations == {"age.not_an_integer_in_range": 2, "job.not_a_known_value": 1}
    assert profile.empty == {"age": 1, "y": 1}
    assert profile.values["job"] == {OTHER: 1, "management": 6}
    assert profile.values["y"] == {"no": 6}


def test_contacts_that_were_taken_back_are_counted_and_in_no_table(deliver, build, contact):
    file = deliver([contact(contact_id=f"c-{n}", y="yes") for n in range(3)])
    built = build([replace(file, without=frozenset({"c-1"}))])
    for table in ("contacts", "outcomes"):
        assert set(built.by_id(table)) == {"c-0", "c-2"}
    (counts,), (profile,) = built.result.contacts.values(), built.result.profiles.values()
    assert (counts.rows_in, counts.withdrawn, profile.rows, profile.uncorrected) == (3, 1, 2, 0)


def test_a_lost_row_breaks_conservation():
    assert Conservation(rows_in=10, rows_out=7, rejected=2, superseded=1).is_conserved
    assert not Conservation(rows_in=10, rows_out=7, rejected=2).is_conserved


def test_missing_deliveries_are_named(deliver, build, contact):
    with pytest.raises(DeliveryReadError, match="expected at least one file"):
        build([], months=["2008-05"])
    file = deliver([contact()])
    with pytest.raises(DeliveryReadError, match="expected each content once"):
        build([file, file])
    file.path.unlink()
    with pytest.raises(DeliveryReadError, match="1 missing, first"):
        build([file])


@pytest.mark.slow
def test_the_real_file_goes_through_whole(deliver, build, real_csv):
    lines = real_csv.read_text().splitlines()
    header = ";".join(("contact_id", "contact_date", *UCI_FILE_COLUMNS))
    dates = list(uci_dates(lines[1:]))
    text = "\n".join(
        [header, *(f"uci-{n};{day};{line}" for n, (day, line) in enumerate(zip(dates, lines[1:], strict=True)))]
    )
    built = build([deliver((text + "\n").encode())])
    contacts = built.rows("contacts")
    assert len(contacts) == 45_211
    assert built.rows("rejected_contacts") == []
    assert len(built.result.contacts) == 30
    assert sum(row["is_subscribed"] for row in built.rows("outcomes")) == 5_289
    assert sum(not row["was_previously_contacted"] for row in contacts) == 36_954
    balances = pa.array([row["balance_eur"] for row in contacts])
    assert pc.min_max(balances).as_py() == {"min": -8019, "max": 102127}


def uci_dates(lines):
    year, last = 2008, 0
    for line in lines:
        fields = line.split(";")
        month = MONTHS.index(fields[10].strip('"')) + 1
        year, last = year + (month < last), month
        yield f"{year}-{month:02d}-{int(fields[9]):02d}"
