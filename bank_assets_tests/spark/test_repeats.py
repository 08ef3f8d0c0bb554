"""The last arrival of a contact wins, however tasks and keys are distributed. Needs no Spark."""

import itertools
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.spark import repeats
from bank_assets.spark.intake import ByteRange, IntakeTask
from bank_assets.spark.repeats import Settled, settle_month
from bank_assets.spark.tables import TABLES, Family
from bank_assets.store.lineage import CONTACTS, OUTCOMES
from bank_assets_tests.world.contracts import WIDER

MONTH = "2008-05"


@pytest.fixture
def settle(tmp_path):
    """Run tasks over ranges of the deliveries' bytes and settle the month; returns the rows and the counts."""

    def run(family, files, n_cuts=1):
        folders = {table: tmp_path / table for table in TABLES}
        scratch = tmp_path / "keys"
        scratch.mkdir()
        parts, rejected = [], []
        for file in files:
            size = file.path.stat().st_size
            bounds = [size * n // n_cuts for n in range(n_cuts + 1)]
            for first, last in itertools.pairwise(bounds):
                result = IntakeTask(family, folders, scratch, [MONTH]).run([ByteRange(file, first, last)])
                parts += result.parts.values()
                rejected += result.rejected
        settled = settle_month(family, parts, folders)
        removed = {file.name for file in settled.removed}
        written = [file for part in parts for file in part.files.values() if file.name not in removed]
        rows = {}
        for table in TABLES:
            names = [file.name for file in (*written, *rejected, *settled.written) if file.table == table]
            tables = [pq.ParquetFile(folders[table] / name).read() for name in names]
            rows[table] = pa.concat_tables(tables).to_pylist() if tables else []
        return rows, settled

    return run


def test_a_file_that_is_older_than_a_column_has_its_default(settle, deliver, contact):
    older = deliver([contact(contact_id="c-1")], columns=UCI.delivery_columns, contract=WIDER)
    newer = deliver([contact(contact_id="c-2") | {"tenure": "12"}], contract=WIDER)
    found, _ = settle(Family(WIDER, CONTACTS), [older, newer])
    assert {row["contact_id"]: row["tenure_years"] for row in found["contacts"]} == {"c-1": 0, "c-2": 12}
    assert found["rejected_contacts"] == []


@pytest.mark.parametrize(("n_cuts", "bucket"), [(1, 1_000), (4, 1_000), (3, 7)])
def test_the_last_usable_row_of_each_contact_stays(settle, deliver, contact, monkeypatch, n_cuts, bucket):
    monkeypatch.setattr(repeats, "BUCKET_KEYS", bucket)
    draw = random.Random(3)
    rows = [
        contact(contact_id=f"c-{draw.randrange(60)}", age=draw.choice([30, 31, "x"]), duration="")
        | {"y": draw.choice(["yes", ""])}
        for _ in range(200)
    ]
    files = [deliver(rows[:120]), deliver(rows[120:])]
    found, settled = settle(Family(UCI, CONTACTS), files, n_cuts)

    usable = [row for row in rows if row["age"] != "x"]
    last = {row["contact_id"]: row for row in usable}
    assert {row["contact_id"]: row["age_years"] for row in found["contacts"]} == {k: v["age"] for k, v in last.items()}
    assert len(found["contacts"]) == len(last)
    assert {row["contact_id"] for row in found["outcomes"]} == {k for k, v in last.items() if v["y"]}
    assert len(found["outcomes"]) == len({k for k, v in last.items() if v["y"]})
    place = {row["contact_id"]: n for n, row in enumerate(rows) if row["age"] != "x"}
    gone = [row for n, row in enumerate(rows) if row["age"] != "x" and place[row["contact_id"]] != n]
    assert settled.superseded == len(gone)
    assert settled.identical == sum(row == last[row["contact_id"]] for row in gone)
    wrong = [n for n, row in enumerate(rows) if row["age"] == "x"]
    assert settled.corrected == sum(place.get(rows[n]["contact_id"], -1) > n for n in wrong)
    assert settled.most_rows_of_a_key == max(
        sum(row["contact_id"] == name for row in usable) for name in {row["contact_id"] for row in usable}
    )


def test_contacts_that_came_once_are_not_written_again(settle, deliver, contact):
    found, settled = settle(Family(UCI, CONTACTS), [deliver([contact(contact_id=f"c-{n}") for n in range(9)])], 3)
    assert settled == Settled(most_rows_of_a_key=1)
    assert len(found["contacts"]) == 9


def test_an_outcome_has_its_contact_and_day_for_a_key(settle, deliver):
    outcomes = [
        {"contact_id": name, "y": y, "duration": 5, "arrived_at": f"2008-05-{day}T10:00"}
        for name, day, y in (("a", "02", "no"), ("a", "03", "yes"), ("b", "02", "no"), ("a", "02", "yes"))
    ]
    found, settled = settle(Family(UCI, OUTCOMES), [deliver(outcomes, kind="outcomes")])
    assert [(r["contact_id"], r["arrived_on"].day, r["is_subscribed"]) for r in found["outcomes"]] == [
        ("a", 3, True),
        ("b", 2, False),
        ("a", 2, True),
    ]
    assert (settled.superseded, settled.identical) == (1, 0)


@pytest.mark.parametrize("n_cuts", [1, 3])
def test_rows_that_another_row_of_their_own_delivery_replaces_are_counted_by_delivery(settle, deliver, contact, n_cuts):
    rounded = deliver([contact(contact_id="3,51912E+11", age=20 + n % 40) for n in range(50)])
    twice = deliver([contact(contact_id=f"c-{n % 20}") for n in range(40)])
    corrected = deliver([contact(contact_id=f"c-{n}", age=30) for n in range(20)])
    _, settled = settle(Family(UCI, CONTACTS), [rounded, twice, corrected], n_cuts)
    assert settled.superseded == 49 + 40
    assert settled.collapsed == {rounded.arrival: 48}, "n=9 and n=49 are equal; equal rows and later files do not count"


def test_a_wrong_year_is_quarantined_and_its_correction_is_taken(settle, deliver, contact):
    days = [f"2008-05-{1 + n % 20:02}" for n in range(39)]
    rows = [contact(contact_id=f"c-{n}", contact_date=day) for n, day in enumerate(days)]
    wrong = deliver([*rows, contact(contact_id="w", contact_date="2010-05-06")])
    correction = deliver([contact(contact_id="w", contact_date="2008-05-06")])
    found, settled = settle(Family(UCI, CONTACTS), [wrong, correction])
    assert (len(found["contacts"]), settled.corrected) == (40, 1)
    (rejected,) = found["rejected_contacts"]
    (reason,) = rejected["reasons"]
    assert 'near most of its days (usable here: 2008-05-01 to 2008-05-20), found "2010-05-06"' in reason


def test_columns_that_contradict_each_other_are_counted_and_no_row_is_rejected(tmp_path, deliver, contact):
    pairs = [(999, 0), (999, 0), (999, 2), (-1, 0), (-1, 3), (30, 1)]
    file = deliver([contact(contact_id=f"c-{n}", pdays=a, previous=b) for n, (a, b) in enumerate(pairs)])
    folders = {table: tmp_path / table for table in TABLES}
    task = IntakeTask(Family(UCI, CONTACTS), folders, tmp_path, [MONTH])
    facts = task.run([ByteRange(file, 0, file.path.stat().st_size)]).facts
    assert facts[MONTH, "contradictions", "previous.contradicts_pdays", ""] == 2
    assert facts[MONTH, "rejected", "", ""] == 0
