"""One text has one verdict at every door: contacts, outcomes, lists, uploads and batches, forms and JSON."""

import io
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from json import dumps as encode
from pathlib import Path

import pytest

from bank_assets.contract.columns import Column, ColumnKind, KnownWhen, NumberSigns
from bank_assets.contract.contract import Contract
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.planner import PlanSettings
from bank_assets.landing.delivery_file import describe
from bank_assets.landing.header import delivery_kinds
from bank_assets.landing.register import Delivery
from bank_assets.spark.list_intake import read_campaign
from bank_assets.spark.tables import Family
from bank_assets.spark.text_block import read_block
from bank_assets_tests.world.contracts import PERSONS, with_column
from bank_assets_tests.world.customers import delimited, delivered
from serving.campaigns.call_lists import example_list, read_contacts
from serving.campaigns.form import plan_form, settings_of
from serving.decisions.form import default_values, form_of, recorded_values, request_from, sent_values
from serving.decisions.outcome_reports import read_outcome
from serving.decisions.payloads import Payloads
from serving.decisions.uploads import BatchError, csv_rows
from serving.web.problems import PayloadError

ROW = {name: str(value) for name, value in delivered(contact_date="2010-11-22").items()}
GOOD_OUTCOME = {"y": "yes", "duration": "90", "arrived_at": "2010-11-25"}
GERMAN = replace(UCI, decimal_sign=",", thousands_sign=".")
RATE = Column("rate", "rate", ColumnKind.DECIMAL, KnownWhen.PRE_CONTACT, "Rate.", minimum=0, maximum=9e9, default=4.857)


@pytest.fixture(autouse=True)
def _folder_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def _file(kind: str, row: dict[str, str], contract: Contract) -> tuple[Delivery, bytes]:
    """A delivery of a good row and another one."""
    of, usual = delivery_kinds(contract)[kind], {**ROW, "rate": "4,5", **GOOD_OUTCOME}
    path = Path(tempfile.mkdtemp()) / "x.csv"
    path.write_text(delimited([{**usual, "contact_id": "good"}, {**usual, **row}], of.columns))
    return describe(path, of, name=path.name, arrival=1, now=datetime(2010, 12, 1, tzinfo=UTC)), path.read_bytes()


def _rejected(kind: str, row: dict[str, str], contract: Contract) -> str:
    file, content = _file(kind, row, contract)
    block = read_block(content.split(b"\n", 1)[1], file, "contact_id")
    verdict = Family(contract, kind).rules(file).judge(block.columns, block.misfits)
    return "; ".join(sentence for _, sentence in verdict.reasons().get(1, []))


def contacts(row: dict[str, str], contract: Contract) -> str:
    return _rejected("contacts", row, contract)


def customers(row: dict[str, str], contract: Contract) -> str:
    return "; ".join(read_campaign(_file("campaigns", row, contract)[0], contract).rejected)


def upload(row: dict[str, str], contract: Contract) -> str:
    sent = {name: text for name, text in row.items() if name in contract.campaign_columns}
    payloads = Payloads.of(contract)
    ((_, found),) = csv_rows(
        io.BytesIO(delimited([sent], list(sent)).encode()), payloads, payloads.request_of_text, SentText(contract, None)
    )
    return found.sentence if isinstance(found, BatchError) else ""


def form(row: dict[str, str], contract: Contract) -> str:
    values = sent_values({**default_values("2010-11-22", Economics(), contract), **row}, contract)
    return _refusal(lambda: request_from(values, Payloads.of(contract)))


def json(row: dict[str, str], contract: Contract) -> str:
    sent = {name: row[name] for name in (*contract.category_columns, "contact_id", "contact_date")}
    sent |= {name: float(row[name]) for name in contract.numeric_columns}
    return _refusal(lambda: Payloads.of(contract).request_of(sent))


def _refusal(read) -> str:
    try:
        read()
    except PayloadError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("balance", "2.000", 'found "2.000" (did you mean 2000?)'),
        ("balance", "-1.234", 'found "-1.234" (did you mean -1234?)'),
        ("balance", "2,000", 'found "2,000" (did you mean 2000?)'),
        ("balance", "1 234", 'found "1 234" (did you mean 1234?)'),
        ("balance", "1200 EUR", 'found "1200 EUR" (did you mean 1200?)'),
        ("balance", "300\u00a0", r'found "300\xa0" (did you mean 300?)'),
        ("age", "58.0", 'found "58.0" (did you mean 58?)'),
        ("age", "\u200b58", r'found "\u200b58"'),
        ("balance", "+300", ""),
        ("balance", "0041", ""),
        ("balance", " 300 ", ""),
        ("job", "management  ", ""),
        ("job", "Management", '(did you mean "management"?)'),
        ("job", "management\u00a0", r'found "management\xa0" (did you mean "management"?)'),
        ("education", "", "found nothing (empty: write unknown, or map it)"),
        *(
            ("education", text, f'found "{text}" (empty: write unknown, or map it)')
            for text in ("NULL", "<NA>", "(null)")
        ),
        ("contact_id", "a\x00b", r'found "a\x00b"'),
        ("contact_id", "k-1\u200b", r'found "k-1\u200b"'),
        ("contact_id", "x" * 65, "visible characters"),
        ("contact_id", " k-1 ", ""),
        ("contact_date", "22/11/2010", 'found "22/11/2010"'),
        ("contact_date", "2010-11-22 00:00:00", 'found "2010-11-22 00:00:00"'),
        *(
            ("balance", text, f'found "{text}"')
            for text in ("１２００", "−5", "5-", "(500)", "0x10", "9" * 19, "#REF!")
        ),
        *(("contact_date", text, f'found "{text}"') for text in ("2010-11-31", "20101122", "2010-W47-1", "40504")),
        *(("contact_date", text, f'found "{text}"') for text in ("9999-12-31", "1889-11-22", "-2010-11-22")),
        ("housing", "TRUE", 'found "TRUE" (did you mean "yes"?)'),
        ("housing", "0", 'found "0" (did you mean "no"?)'),
        ("job", "ｍanagement", '(did you mean "management"?)'),
        ("contact_id", "Jo\ufffdo", 'found "Jo\ufffdo"'),
        ("contact_id", "\ufeffk-1", r'found "\ufeffk-1"'),
        ("contact_id", "Jo\u00e3o", ""),
    ],
)
def test_one_text_has_one_verdict_at_every_door(column, text, said):
    verdicts = {door.__name__: door({**ROW, column: text}, UCI) for door in (contacts, customers, upload, form)}
    assert [door for door, found in verdicts.items() if (said not in found if said else found)] == [], verdicts


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("y", "YES", 'found "YES" (did you mean "yes"?)'),
        ("y", " yes ", ""),
        ("contact_id", "k-1\u200b", r'found "k-1\u200b"'),
        ("contact_id", " k-1 ", ""),
        ("contact_id", "Jo\ufffdo", 'found "Jo\ufffdo"'),
        ("arrived_at", "2010-11-25 10:00:00+00", ""),
        ("arrived_at", "2010-11-25 10:00:00 +0000", ""),
        ("arrived_at", "2010-11-25T10:00:00.123Z", ""),
        ("arrived_at", "2010-11-25 10:00:00 UTC", ""),
        *(("arrived_at", text, f'found "{text}"') for text in ("2010-11-25 later", "2010-11-25x10:00", "20101125")),
        *(("arrived_at", text, f'found "{text}"') for text in ("1850-01-01", "2008-04-30", "2010-W47-1", "25/11/2010")),
    ],
)
def test_an_outcome_has_one_verdict_in_a_delivery_and_in_the_api(column, text, said):
    row = {"contact_id": "k-1", "y": "no", "arrived_at": "2010-11-25", column: text}
    sent = encode(row).encode()
    verdicts = [_rejected("outcomes", row, UCI), _refusal(lambda: read_outcome(sent, (), UCI))]
    assert [found for found in verdicts if (said not in found if said else found)] == []


def test_an_outcome_is_recorded_for_the_trimmed_identifier():
    assert read_outcome(b'{"contact_id": " k-1 ", "y": "yes"}', (), UCI).contact_id == "k-1"


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("job", " management", ""),
        ("job", "Management", '(did you mean "management"?)'),
        ("contact_id", " k-1 ", ""),
        ("contact_id", "k-1\u200b", r'found "k-1\u200b"'),
        ("contact_id", "k\u00a01", r'found "k\xa01"'),
        ("contact_date", "22/11/2010", "expected a day"),
    ],
)
def test_texts_in_json_are_judged_like_fields(column, text, said):
    found = json({**ROW, column: text}, UCI)
    assert said in found if said else not found


def test_an_identifier_is_recorded_without_the_blanks_around_it():
    payloads = Payloads.of(UCI)
    sent = {name: payloads.example[name] for name in payloads.example}
    assert payloads.request_of({**sent, "contact_id": " k-1 "}).contact_id == "k-1"
    assert payloads.request_of({**sent, "customer_id": " k-1 "}).customer_id == "k-1"


@pytest.mark.parametrize("text", ["k-1", " k-1 ", "", "k-1\u200b", "x" * 65])
@pytest.mark.parametrize("door", [contacts, upload, form])
def test_a_person_is_read_alike_at_every_door_and_may_be_the_contact(door, text):
    row = {**ROW, "Kunde": text.strip(" ") if door is contacts else text}
    found = door({**row, "y": "yes"} if door is contacts else row, PERSONS)
    assert ("Kunde: expected" in found) == (len(text) > 60 or "\u200b" in text)


def test_forms_and_files_state_the_person_that_json_calls_customer_id():
    payloads = Payloads.of(PERSONS)
    values = default_values("2010-11-22", Economics(), PERSONS) | {"contact_id": "c-1", "Kunde": "k-1"}
    sent = {**payloads.example, "customer_id": "k-1"}
    assert request_from(values, payloads).customer_id == payloads.request_of(sent).customer_id == "k-1"
    assert request_from({**values, "Kunde": ""}, payloads).customer_id is None
    assert '"Kunde"' in example_list("2010-11-22", PERSONS)
    assert form_of(values, PERSONS).groups[-2].fields[-1].name == "Kunde"


@pytest.mark.parametrize("door", [contacts, customers, upload, form])
def test_a_declared_thousands_sign_is_read_at_every_door(door):
    contract = with_column(RATE, GERMAN)
    row = {**ROW, "balance": "12.000", "rate": "1.234,5"}
    assert not door(row, contract)
    assert "(did you mean 5,5?)" in door({**row, "rate": "5.5"}, contract)


def test_a_form_shows_numbers_as_it_reads_them():
    contract = with_column(RATE, GERMAN)
    values = default_values("2010-11-22", Economics.constant(5.5, 50), contract)
    assert (values["rate"], values["cost_eur"]) == ("4,857", "5,5")
    request = request_from(values, Payloads.of(contract))
    assert (request.rate, request.economics.cost_eur) == (4.857, 5.5)


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("cost_eur", "5,50", 'Cost of a call: expected a number from 0.01 to 10,000,000, found "5,50" (did you'),
        ("budget_eur", "2.000", 'found "2.000" (did you mean 2000?)'),
        ("capacity", "1.000", 'found "1.000" (did you mean 1000?)'),
        ("capacity", "10,000", 'found "10,000" (did you mean 10000?)'),
        ("capacity", "40.0", 'found "40.0" (did you mean 40?)'),
        ("capacity", "1e3", 'found "1e3"'),
        ("min_days", "30\u00a0", "(did you mean 30?)"),
        ("holdout_pct", "2.500", ""),
        ("learning_pct", "101", "Share to explore: expected a number from 0 to 100"),
        ("learning_calls", "2.5", "Fewest explored calls: expected a whole number"),
        ("learning_eur", "nan", "Learning budget: expected a number from 0"),
        ("budget_eur", "5.50", ""),
        ("capacity", "+300", ""),
    ],
)  # fmt: skip
def test_the_fields_of_a_plan_are_read_by_the_same_rule(field, text, said):
    default, signs = PlanSettings(Economics.constant(5, 50)), NumberSigns()
    found = _refusal(lambda: settings_of(plan_form({field: text}, default, signs), default, signs))
    assert said in found if said else not found


@pytest.mark.parametrize("text", ["2.000", "5,50", "5.50 EUR", "1e3", "0.001"])
def test_the_economics_of_a_form_are_read_by_the_same_rule(text):
    found = form({**ROW, "value_eur": text}, UCI)
    assert f'value_eur: expected an amount from 0.01 to 10,000,000, found "{text}"' in found


def test_a_broken_row_is_named_by_its_physical_line_and_the_others_are_read(tmp_path: Path):
    rows = [{name: text for name, text in ROW.items() if name in UCI.campaign_columns} for _ in range(6)]
    lines = delimited([{**row, "contact_id": f"k-{n}"} for n, row in enumerate(rows)], list(rows[0])).splitlines()
    lines[2] += ";surplus"
    lines[3:3] = ["", "\t"]
    lines[6] = lines[6].replace("management", '"management')
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines))
    found = read_contacts(path, Payloads.of(UCI), path.name)
    assert [row.line for row in found.rejected] == [3, 7]
    assert [one.contact_id for one in found.contacts] == ["k-0", "k-2", "k-4", "k-5"]


def test_a_list_without_a_usable_row_names_each_kind_of_fault(tmp_path: Path):
    faults = [{"age": "old"}, {"age": "58.0"}, {"job": "Management"}]
    rows = [{**ROW, "contact_id": f"k-{n}", **fault} for n, fault in enumerate(faults)]
    path = tmp_path / "list.csv"
    path.write_text(delimited(rows, UCI.campaign_columns))
    with pytest.raises(PayloadError) as refused:
        read_contacts(path, Payloads.of(UCI), path.name)
    found = [(one.field, one.found) for one in refused.value.errors]
    assert found == [
        ("", "none of 3"),
        ("age", '"old" in line 2, and 1 more such rows'),
        ("job", '"Management" (did you mean "management"?) in line 4'),
    ]


def test_a_row_that_states_another_day_than_its_date_is_refused_as_written():
    assert upload({**ROW, "day": "+22"}, UCI) == ""
    assert 'day: expected 22, as contact_date says, found "21"' in upload({**ROW, "day": "21"}, UCI)
    assert '(did you mean "nov"?)' in upload({**ROW, "month": "Nov"}, UCI)


def test_a_recorded_decimal_comes_back_as_it_is_read():
    class Record:
        contact_id, contact_date, economics = None, "2010-11-22", {"cost_eur": 5.5, "value_eur": 1_000.0}

    contract = with_column(RATE, GERMAN)
    values = recorded_values(Record, {"rate": 4.857, "balance": -1_200}, contract)
    assert (values["rate"], values["balance"], values["value_eur"]) == ("4,857", "-1200", "1000")
