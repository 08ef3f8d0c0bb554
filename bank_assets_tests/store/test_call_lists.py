"""One format for the lists of pipeline and campaign page, and one meaning of a decile: tenths by expected profit."""

import csv
import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from bank_assets.assets.list_plan import called_rows, plan_of, scores_of, totals_of
from bank_assets.contract.names import HOLDOUT
from bank_assets.contract.uci import UCI
from bank_assets.core.economics.call_plan import deciles, ranked
from bank_assets.core.economics.economics import ColumnAmount, Economics
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.economics.planner import CallLimits, PlanSettings, plan_calls
from bank_assets.core.economics.suppression import SuppressionList
from bank_assets.store import call_lists
from bank_assets.store.call_lists import COLUMNS, CallListFiles, CsvRows, csv_of

ECONOMICS = Economics.constant(5.0, 50.0)
IDS = [f"c{n:02d}" for n in range(20)]
PROBA = np.linspace(0.02, 0.4, 20)
FACTS = {"champion": "7", "digest": "d" * 64, "as_of": "2010-10-19"}


def scored() -> pa.Table:
    profit = ECONOMICS.expected_profit(PROBA, {})
    return pa.table(
        {
            "contact_id": IDS,
            "contact_date": pa.array(np.full(20, "2010-10-20", "datetime64[D]")),
            "probability": PROBA,
            "probability_low": PROBA / 2,
            "probability_high": PROBA * 2,
            "decile": deciles(ranked(profit, np.asarray(IDS))),
        }
    )


def under(budget_eur: float | None, *suppressed: str) -> PlanSettings:
    return PlanSettings(ECONOMICS, CallLimits(budget_eur), suppression=SuppressionList.of(suppressed))


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_the_pipeline_s_list_has_the_columns_and_the_deciles_of_the_campaign_page():
    plan = plan_of(scored(), under(20.0, "c19"), UCI, "spring")
    content = csv_of(plan, scores_of(scored(), FACTS), "spring")
    rows = rows_of(content)
    assert tuple(rows[0]) == COLUMNS
    assert [row["contact_id"] for row in rows] == ["c18", "c17", "c16", "c15"], "c19 objected, the budget is for four"
    assert [row["decile"] for row in rows] == ["1", "2", "2", "3"]
    assert {(row["model_version"], row["as_of"], row["cost_eur"]) for row in rows} == {("7", "2010-10-19", "5.00")}
    assert called_rows(scored(), plan).read_all().column("decile").to_pylist() == [1, 2, 2, 3]
    assert totals_of(plan, under(20.0))["calls"] == 4
    assert rows_of(csv_of(plan, scores_of(scored(), FACTS), "spring", HOLDOUT)) == []


def test_a_list_carries_propensities_and_what_draws_it_again():
    settings = replace(under(40.0, "c19"), learning=LearningBudget(0.2, 2))
    plan = plan_of(scored(), settings, UCI, "spring")
    called = called_rows(scored(), plan).read_all()
    rows = rows_of(csv_of(plan, scores_of(scored(), FACTS), "spring"))
    assert [float(row["propensity"]) for row in rows] == called.column("propensity").to_pylist()
    assert [row["reason"] for row in rows] == called.column("reason").to_pylist()
    assert {row["reason"]: float(row["propensity"]) for row in rows} == {
        "worth_calling": 1.0,
        "exploration": pytest.approx(2 / 13),
    }
    totals = totals_of(plan, settings)
    assert (totals["learning"]["share"], totals["learning"]["minimum"]) == (0.2, 2)
    assert totals["learning"]["reserve"] == {"n_calls": 2, "cost_eur": 10.0}


def test_a_list_that_names_persons_says_who_they_are_and_calls_nobody_who_objected():
    rows = scored().append_column("customer_id", pa.array([f"k{n // 2}" for n in range(20)]))
    plan = plan_of(rows, under(20.0, "k9", "c17"), UCI, "spring")
    found = rows_of(csv_of(plan, scores_of(rows, FACTS), "spring"))
    assert [row["contact_id"] for row in found] == ["c16", "c15", "c14", "c13"]
    assert [row["customer_id"] for row in found] == ["k8", "k7", "k7", "k6"]
    assert tuple(found[0]) == (*COLUMNS, "customer_id")
    assert called_rows(rows, plan).read_all().column("customer_id").to_pylist() == ["k8", "k7", "k7", "k6"]


def test_no_cell_of_a_list_begins_as_a_formula():
    ids = ["=HYPERLINK(1)", "=cmd|'/C calc'!A0", "+351912345678", "-2+3", "@SUM(1+1)", "＝1+1", "k-1"]
    rows = scored().set_column(0, "contact_id", pa.array(ids + IDS[len(ids) :]))
    content = csv_of(plan_of(rows, under(None), UCI, "=a"), scores_of(rows, FACTS), "=a")
    cells = [cell for row in csv.reader(io.StringIO(content.decode(), newline="")) for cell in row if cell]
    assert not [cell for cell in cells if cell[0] in "=+-@\t\r\n＝＋－＠"]
    assert "'=a" in cells


def test_a_decile_is_a_tenth_of_the_list_by_expected_profit_not_by_probability():
    value = np.where(np.arange(20) < 2, 10_000.0, 50.0)  # the least likely two are worth most
    settings = PlanSettings(Economics(value_amount=ColumnAmount("worth")))
    plan = plan_calls(IDS, PROBA, {"worth": value}, UCI, settings, "x")
    assert plan.decile[:2].tolist() == [1, 1]
    assert np.bincount(plan.decile)[1:].tolist() == [2] * 10
    profit = PROBA * value - 5.0
    assert deciles(ranked(profit, np.asarray(IDS))).tolist() == plan.decile.tolist()


def test_equal_profits_are_ordered_by_contact_whatever_the_order_of_the_file():
    ids = np.asarray(["b", "a", "c"])
    assert ids[ranked(np.array([1.0, 1.0, 1.0 + 1e-9]), ids)].tolist() == ["a", "b", "c"]


def test_a_kept_list_is_read_back_and_its_folder_is_closed(tmp_path):
    files = CallListFiles(tmp_path / "lists")
    assert (files.read("x.csv"), files.has("x.csv")) == (None, False)
    files.write("x.csv", b"list_id\r\n")
    assert (files.read("x.csv"), files.has("x.csv")) == (b"list_id\r\n", True)
    assert (tmp_path / "lists").stat().st_mode & 0o077 == 0


def test_a_file_is_written_and_read_in_parts(tmp_path, monkeypatch):
    rows = scored().append_column("customer_id", pa.array([f"k{n // 2}" for n in range(20)]))
    plan, shown = plan_of(rows, under(None), UCI, "spring"), scores_of(rows, FACTS)
    whole, files = csv_of(plan, shown, "spring"), CallListFiles(tmp_path)
    monkeypatch.setattr(call_lists, "CSV_ROWS", 3)
    files.write("x.csv", call_lists.csv_parts(plan, shown, "spring"))
    assert files.read("x.csv") == whole
    of_bytes, of_file = CsvRows.of(whole), CsvRows.of(files.path("x.csv"))
    is_kept = [place % 3 > 0 for place in range(len(of_bytes.person))]
    assert of_file.person.tolist() == of_bytes.person.tolist() == [row["customer_id"] for row in rows_of(whole)]
    lines = whole.split(b"\r\n")
    expected = b"\r\n".join([lines[0], *(line for place, line in enumerate(lines[1:-1]) if place % 3 > 0), b""])
    assert b"".join(of_file.only(is_kept)) == b"".join(of_bytes.only(is_kept)) == expected
    files.offer("x.csv", of_file.only(is_kept))
    assert ((tmp_path / "x.csv").read_bytes(), files.read("x.csv")) == (expected, whole)
