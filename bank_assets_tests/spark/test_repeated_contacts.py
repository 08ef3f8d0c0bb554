"""Of a contact that is delivered again the last arrival counts, and the tables add up."""

import pytest

from bank_assets.spark.etl import Conservation

pytestmark = pytest.mark.spark


def test_the_last_arrival_wins_with_its_outcome_and_the_rest_is_counted(deliver, build, contact):
    first = deliver([contact(age=30, y="no"), contact(contact_id="other")])
    second = deliver([contact(age=31, y="yes")])
    third = deliver([contact(contact_id="other"), contact(contact_id="new")])
    built = build([first, second, third])
    rows = built.by_id("contacts")
    assert (rows["c-1"]["age_years"], rows["c-1"]["delivery_arrival"]) == (31, 2)
    assert built.by_id("outcomes")["c-1"]["is_subscribed"] is True
    assert len(built.rows("outcomes")) == 3, "a replaced row takes its outcome along"
    assert built.result.contacts["2008-05"] == Conservation(rows_in=5, rows_out=3, superseded=2, identical=1)


def test_within_a_delivery_the_later_line_wins(deliver, build, contact):
    built = build([deliver([contact(age=30 + n) for n in range(5)])])
    assert built.one("contacts")["age_years"] == 34
    assert built.result.contacts["2008-05"].superseded == 4
    assert built.result.contacts["2008-05"].identical == 0


def test_repetitions_found_after_the_pass_leave_no_file_behind(deliver, build, contact):
    rows = [contact(contact_id=f"c-{n}", contact_date=f"2008-0{5 + n % 2}-10") for n in range(6)]
    built = build([deliver([*rows, rows[0] | {"age": 99}, rows[1] | {"age": "x"}])])
    assert built.by_id("contacts")["c-0"]["age_years"] == 99
    assert built.by_id("contacts")["c-1"]["age_years"] == 58
    assert built.result.contacts["2008-05"] == Conservation(rows_in=4, rows_out=3, superseded=1)
    assert built.result.contacts["2008-06"].rejected == 1
    for table, folder in built.staging.items():
        named = {name for names in built.result.files[table].values() for name in names}
        assert {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")} == named


def test_a_rejected_correction_does_not_replace_a_usable_row(deliver, build, contact):
    built = build([deliver([contact(age=30)]), deliver([contact(age="thirty-one")])])
    assert built.one("contacts")["age_years"] == 30
    assert built.one("rejected_contacts")["delivery_arrival"] == 2
    assert built.result.contacts["2008-05"] == Conservation(
        rows_in=2, rows_out=1, rejected=1, codes={"age.not_an_integer_in_range": 1}
    )


def test_the_same_rows_delivered_again_add_nothing(deliver, build, contact):
    rows = [contact(contact_id=f"c-{n}", contact_date=f"2008-0{5 + n % 3}-10") for n in range(30)]
    built = build([deliver(rows), deliver(rows, delimiter=",")])
    assert len(built.rows("contacts")) == len(built.rows("outcomes")) == 30
    total = [(c.rows_in, c.superseded, c.identical) for c in built.result.contacts.values()]
    assert total == [(20, 10, 10)] * 3


def test_all_contacts_repeated(deliver, build, contact):
    rows = [contact(contact_id=f"c-{n}") for n in range(20)]
    built = build([deliver(rows), deliver([row | {"age": 20} for row in rows])])
    assert {row["age_years"] for row in built.rows("contacts")} == {20}
    assert built.result.contacts["2008-05"] == Conservation(rows_in=40, rows_out=20, superseded=20)


def test_a_range_and_its_months_one_by_one_agree(deliver, build, contact):
    rows = [contact(contact_id=f"c-{n}", contact_date=f"2008-0{5 + n % 3}-10", age=20 + n) for n in range(12)]
    files = [deliver(rows), deliver([rows[0] | {"age": 99}, rows[4] | {"age": "x"}])]
    whole = build(files)
    for month in ("2008-05", "2008-06", "2008-07"):
        alone = build(files, months=[month])
        assert set(alone.result.files["contacts"]) == {month}
        by_id = sorted(alone.rows("contacts"), key=lambda row: row["contact_id"])
        assert by_id == sorted(whole.rows("contacts", month), key=lambda row: row["contact_id"])
        assert alone.result.contacts[month] == whole.result.contacts[month]
