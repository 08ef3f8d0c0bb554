"""Columns of any bank, from a file to tables, features, a fitted recipe and a decision, without a line of code."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from bs4 import BeautifulSoup

from bank_assets.contract.contract import Contract
from bank_assets.contract.file import load_contract
from bank_assets.contract.senders import Sender
from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import frame_from_tables
from bank_assets.core.features.feature_set import FeatureSet, current_features
from bank_assets.core.model.bundle import ModelLineage, observed_ranges
from bank_assets.core.model.scorer import Scorer
from bank_assets.core.training.export import to_onnx
from bank_assets.core.training.recipes import Recipe, fit_recipe
from bank_assets.landing.delivery_file import describe
from bank_assets.landing.header import delivery_kinds
from bank_assets.ledger.models import canonical_json
from bank_assets.replay.contacts import read_history
from bank_assets.settings import Settings
from bank_assets.sources.landing import land_source
from bank_assets.sources.source import resolve_source
from bank_assets.sources.uci import SourceError
from bank_assets.sources.undated import implied_dates
from bank_assets.spark.intake import ByteRange, IntakeTask
from bank_assets.spark.tables import TABLES, Family, rejected_schema
from bank_assets_tests.world.banks import FOREIGN, write_history
from bank_assets_tests.world.bundles import make_bundle
from serving.decisions.form import default_values, form_of, request_from, sent_values
from serving.decisions.payloads import Payloads
from serving.web.templating import environment

ADDITIONAL = load_contract("bank-additional")
# A sender who names the date, writes it and says yes and no in another way than the contract.
MAPPED = replace(
    FOREIGN,
    senders=(
        Sender(
            "crm", columns=(("Kontakt", "Anruf am"),), values=(("*", "ja", "yes"), ("*", "nein", "no")),
            date_format="DD.MM.YYYY",
        ),
    ),
)  # fmt: skip
BANKS = {"uci": UCI, "bank-additional": ADDITIONAL, "foreign": FOREIGN, "mapped": MAPPED}


def settings_of(contract: Contract, folder: Path, **options: int) -> Settings:
    """A home whose source is a generated history; that of bank-additional has neither ids nor dates."""
    without = ("contact_id", "contact_date") if contract.dates_from_row_order else ()
    source = write_history(folder / "source.csv", contract, without=without, **options)
    if contract.senders:
        text = source.read_text().replace('"Anruf am"', '"Kontakt"').replace('"yes"', '"ja"').replace('"no"', '"nein"')
        source.write_text(re.sub(r'"(\d{4})-(\d\d)-(\d\d)"', r'"\3.\2.\1"', text))
    return replace(Settings(), home=folder / "home", source=str(source), contract=contract)


@pytest.mark.parametrize("contract", BANKS.values(), ids=list(BANKS))
def test_from_a_file_to_a_decision(contract, tmp_path):
    settings = settings_of(contract, tmp_path)
    history = read_history(resolve_source(settings), settings)
    contacts = history.contacts
    assert (history.left_out, len(contacts)) == (0, 480)
    as_of = contacts.contact_dates[-1] + np.timedelta64(2, "D")
    data, feature_set, recipe = contacts.learning_data(as_of), FeatureSet.of(contract), Recipe("logistic_regression")
    lineage = ModelLineage(str(as_of), "s" * 64, len(data), "made up", False, "run", "revision", contract)
    graph = to_onnx(fit_recipe(recipe, data), feature_set, "logistic_regression")
    ranges = observed_ranges(data.features, contract)
    scorer = Scorer(make_bundle(graph, recipe, lineage=lineage, feature_ranges=ranges))
    # the form's default customer, sent back, is the request of the example
    payloads, form = Payloads.of(contract), default_values(str(as_of), Economics(), contract)
    request = request_from(sent_values(form, contract), payloads)
    example = {name: payloads.example[name] for name in contract.payload_columns}
    assert json.loads(payloads.text_of(request)) == json.loads(canonical_json(example))
    features = current_features(
        payloads.frame_of([request]), np.array([as_of]), contacts.history().state(as_of), contract, has_plan=False
    )
    assert 0.0 < float(scorer.score(features).probability[0]) < 1.0


@pytest.mark.parametrize("contract", BANKS.values(), ids=list(BANKS))
def test_what_is_landed_becomes_tables_of_the_contracts_types(contract, tmp_path):
    settings = settings_of(contract, tmp_path, n_days=10)
    land_source(resolve_source(settings), settings)
    (file,) = (settings.landing / "contacts").glob("*.csv")
    delivery = describe(file, delivery_kinds(contract)["contacts"], name=file.name, arrival=1, now=datetime.now(UTC))
    folders = {table: tmp_path / table for table in TABLES}
    for folder in (*folders.values(), tmp_path / "scratch"):
        folder.mkdir()
    task = IntakeTask(Family(contract, "contacts"), folders, tmp_path / "scratch", list(delivery.months))
    result = task.run([ByteRange(delivery, 0, delivery.size_bytes)])
    assert [part.name for part in result.rejected] == []
    table = pq.read_table(folders["contacts"])
    names = {column.table for column in contract.columns if column.is_input}
    assert names <= set(table.column_names)
    assert not set(table.column_names) & {contract.by_source[name].table for name in contract.post_contact_columns}
    columns = {name: table[name].to_pandas().to_numpy() for name in table.column_names}
    frame = frame_from_tables(columns, contract)
    expected = read_history(resolve_source(settings), settings).contacts.frame
    for name in contract.payload_columns:
        assert sorted(frame[name]) == sorted(expected[name])


@pytest.mark.parametrize("contract", BANKS.values(), ids=list(BANKS))
def test_texts_of_rejected_rows_have_names_that_tables_may_have(contract):
    names = rejected_schema(contract).names
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name.isascii() for name in names)
    assert contract is not UCI or set(UCI.delivery_columns) <= set(names)


def test_month_and_weekday_in_row_order_date_a_row_to_its_week():
    columns = {
        "month": ["may", "may", "may", "may", "jun", "dec", "jan"],
        "day_of_week": ["mon", "mon", "fri", "mon", "mon", "tue", "wed"],
    }
    assert [str(day) for day in implied_dates(ADDITIONAL, columns)] == [
        "2008-05-05", "2008-05-05", "2008-05-09", "2008-05-12", "2008-06-02", "2008-12-02", "2009-01-07",
    ]  # fmt: skip
    with pytest.raises(SourceError, match="row 8: expected a date, found mon may 2008; use the whole file"):
        implied_dates(ADDITIONAL, {"month": ["may"] * 10, "day_of_week": ["tue", "mon"] * 5})
    with pytest.raises(SourceError, match=r"row \d+: expected rows ordered by contact date up to today"):
        implied_dates(ADDITIONAL, {"month": ["dec", "jan"] * 30, "day_of_week": ["tue"] * 60})


def test_other_contracts_have_no_simulator(tmp_path):
    for source in ("simulated", "auto"):
        settings = replace(Settings(), home=tmp_path, source=source, contract=FOREIGN)
        with pytest.raises(SourceError, match=f"a file for contract sparkasse, found {source}, .*; set BANK"):
            resolve_source(settings)


def test_a_form_of_foreign_names_has_safe_ids():
    form = form_of(default_values("2023-03-01", Economics(), FOREIGN), FOREIGN)
    render = environment().from_string(
        '{% from "macros/predict.html" import field %}{% for g in form.groups %}{% for f in g.fields %}{{ field(f) }}'
        "{% endfor %}{% endfor %}"
    )
    page = BeautifulSoup(render.render(form=form), "html.parser")
    fields = page.select("input, select")
    assert {one["name"] for one in fields} >= set(FOREIGN.payload_columns) | {"Vorgang", "Anruf am"}
    assert all(one["id"].isascii() and " " not in one["id"] for one in fields)
    assert len({one["id"] for one in fields}) == len(fields)
    assert all(page.select_one(f"#{one['id']}") is one for one in fields)
    assert page.select_one('[name="Ø Saldo"]')["type"] == "text"  # HTML's numbers have no comma
