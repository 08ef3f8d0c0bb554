from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.drift.daily_profiles import LONG_COLUMNS, DailyProfiles
from bank_assets.core.drift.profile import NUMERIC, kind_of
from bank_assets.spark import profile as module
from bank_assets.spark.profile import profiled_columns, rows_of_files, value_counts, value_counts_of_files

pytestmark = pytest.mark.spark
SEED = 4
SCHEMA = (
    "contact_id string, contact_date date, age_years int, job string, has_housing_loan boolean, balance_eur int, "
    "duration_seconds int, days_since_previous_contact int, is_subscribed boolean, fitted double"
)


def rows_of(n, seed=SEED):
    rng = np.random.default_rng(seed)
    jobs = ["student", "retired", "unknown", None]
    return [
        (
            f"c-{index}",
            date(2008, 5, 1 + int(rng.integers(0, 9))),
            int(rng.integers(18, 90)),
            jobs[int(rng.integers(0, 4))],
            bool(rng.integers(0, 2)),
            int(rng.choice([-8_000_000, 0, 0, 17, 2_143, 9_000_000])),
            None if rng.random() < 0.3 else int(rng.integers(0, 4_000)),
            None if rng.random() < 0.8 else int(rng.integers(1, 400)),
            None if rng.random() < 0.2 else bool(rng.random() < 0.1),
            0.5,
        )
        for index in range(n)
    ]


def counted_by_hand(rows):
    """The long table by a plain loop over the rows."""
    names = ("age", "job", "housing", "balance", "duration", "pdays", "y")
    counted = {}
    for _, day, age, job, housing, balance, duration, pdays, subscribed, _ in rows:
        yes_no = {None: None, True: "yes", False: "no"}
        values = (age, job, yes_no[housing], balance, duration, -1 if pdays is None else pdays, yes_no[subscribed])
        for name, value in zip(names, values, strict=True):
            key = (day, name, *((value, None) if kind_of(UCI, name) == NUMERIC else (None, value)))
            counted[key] = counted.get(key, 0) + 1
    return {(*key, count) for key, count in counted.items()}


def as_set(long_table):
    return {tuple(row) for row in long_table.select(*LONG_COLUMNS).collect()}


@pytest.fixture(scope="module")
def rows():
    return rows_of(3_000)


@pytest.fixture(scope="module")
def contacts(spark, rows):
    return spark.createDataFrame(rows, SCHEMA).repartition(3)


def test_counts_equal_a_plain_loop_over_the_rows(contacts, rows):
    assert as_set(value_counts(contacts, UCI)) == counted_by_hand(rows)


def test_identifiers_and_columns_outside_the_contract_are_left_out(contacts):
    found = list(profiled_columns(contacts.columns, UCI).values())
    assert found == ["age", "job", "balance", "housing", "duration", "pdays", "y"]


def test_the_table_has_its_documented_schema_and_no_row_twice(contacts):
    counts = value_counts(contacts, UCI)
    assert [(field.name, field.dataType.simpleString()) for field in counts.schema] == [
        ("contact_date", "date"), ("column", "string"), ("number", "double"), ("category", "string"),
        ("count", "bigint"),
    ]  # fmt: skip
    assert counts.count() == counts.dropDuplicates(list(LONG_COLUMNS[:-1])).count()


def test_a_profile_from_the_table_counts_every_contact(contacts, rows):
    merged = DailyProfiles.from_table(value_counts(contacts, UCI).toArrow(), UCI).total()
    assert merged.rows == len(rows)
    assert merged.known_outcomes == sum(row[8] is not None for row in rows)
    assert merged.span == "2008-05-01…2008-05-09"


def test_files_give_the_same_counts_as_their_frame(spark, contacts, rows, tmp_path):
    contacts.write.option("parquet.block.size", 1 << 16).parquet(str(tmp_path / "contacts"))
    files = sorted(str(path) for path in (tmp_path / "contacts").glob("*.parquet"))
    assert len(files) == 3
    assert as_set(value_counts_of_files(spark, files, UCI)) == counted_by_hand(rows)
    uris = [f"file://{file}" for file in files]
    assert as_set(value_counts_of_files(spark, uris, UCI)) == counted_by_hand(rows)


def test_no_files_are_refused(spark):
    with pytest.raises(ValueError, match="at least one Parquet file"):
        value_counts_of_files(spark, [], UCI)


def test_no_contacts_give_an_empty_table_and_an_empty_profile(spark):
    counts = value_counts(spark.createDataFrame([], SCHEMA), UCI)
    assert counts.count() == 0
    assert DailyProfiles.from_table(counts.toArrow(), UCI).total().rows == 0


def test_frames_without_contract_columns_are_refused(spark):
    with pytest.raises(ValueError, match="expected contact_date"):
        value_counts(spark.createDataFrame([(1,)], "x int"), UCI)
    with pytest.raises(ValueError, match="expected contact_date"):
        value_counts(spark.createDataFrame([(1,)], "age_years int"), UCI)


def test_a_partition_sends_counts_early_without_changing_them(monkeypatch, rows):
    monkeypatch.setattr(module, "PENDING_COUNTS", 50)
    names = ("age", "job", "housing", "balance", "duration", "pdays", "y")
    columns = list(zip(*rows, strict=True))[1:9]
    batch = pa.RecordBatch.from_pydict(dict(zip(("contact_date", *names), columns, strict=True)))
    sent = list(
        module._count_blocks(
            (batch.slice(at, 60) for at in range(0, 3_000, 60)), tuple(UCI.by_source[name] for name in names)
        )
    )
    assert len(sent) > 100
    added = {}
    for part in sent:
        for row in part.to_pylist():
            key = tuple(row[name] for name in LONG_COLUMNS[:-1])
            added[key] = added.get(key, 0) + row["count"]
    assert {(*key, count) for key, count in added.items()} == counted_by_hand(rows)


def test_a_row_without_a_date_is_refused():
    batch = pa.RecordBatch.from_pydict({"contact_date": pa.array([None], pa.date32()), "age": [30]})
    with pytest.raises(ValueError, match="found 1 without one"):
        list(module._count_blocks([batch], (UCI.by_source["age"],)))


def test_files_below_a_folder_that_looks_like_a_pattern_are_read_once(spark, tmp_path):
    files = [str(tmp_path / f"[a] {{b,c}} x*? d:e {number}.parquet") for number in range(2)]
    for file in files:
        pq.write_table(pa.table({"n": [1, 2], "day": [date(2010, 1, 2), None], "left_out": ["", ""]}), file)
    rows = [(1, date(2010, 1, 2)), (2, None)]
    assert sorted(map(tuple, rows_of_files(spark, files, ("n", "day")).collect())) == [*rows[:1] * 2, *rows[1:] * 2]
