"""Contract files: what is read and written, and the sentence of each fault."""

import re
from dataclasses import replace

import pytest
import yaml

from bank_assets.contract.columns import Column, ColumnKind, KnownWhen
from bank_assets.contract.errors import LEAKAGE_RULE, ContractError
from bank_assets.contract.file import SHIPPED, SUFFIX, load_contract, parse_contract, table_name
from bank_assets.contract.file_writing import write_contract
from bank_assets.contract.uci import UCI
from bank_assets.environment import SettingsError
from bank_assets.settings import load_settings
from bank_assets_tests.world.contracts import WIDER, with_column

TEXT = (SHIPPED / f"uci-bank-marketing{SUFFIX}").read_text()
ODD = Column(
    "Kontostand (Ø, EUR)", "kontostand_eur", ColumnKind.DECIMAL, KnownWhen.PRE_CONTACT, "'Ä', #5\nand more",
    unit="€", minimum=-0.5, maximum=1e9, sentinel=0.25, default=0.1, words=(("0.1", "yes: no"), ("~", "null")),
    decimal_sign=",", thousands_sign="\u00a0",
)  # fmt: skip
ANSWERS = Column(
    "on", "is_on", ColumnKind.CATEGORY, KnownWhen.PRE_CONTACT, "", default="no",
    categories=("yes", "no", "1_000", "22:30", "2008-05-05", "null", "~", "1e3", "off", "x: y", "- z", "<<"),
)  # fmt: skip


def changed(*changes: tuple[str, str]) -> str:
    """The shipped file with some texts replaced, each of which must occur in it."""
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(
    "contract",
    [UCI, WIDER, with_column(ODD), with_column(ANSWERS), replace(UCI, decimal_sign=",", thousands_sign=".", groups=())],
)
def test_what_is_written_reads_back_as_the_same_contract(contract):
    if not contract.groups:
        contract = replace(contract, columns=tuple(replace(column, group="") for column in contract.columns))
    text = write_contract(contract, {"": ["Draft."], "age": ["A guess: 16 to 120.", "Check it."]})
    read = parse_contract(text, "own.odcs.yaml")
    assert (read.digest, read.columns, read.list_statistics) == (
        contract.digest,
        contract.columns,
        contract.list_statistics,
    )
    assert text.startswith("# Draft.\n")
    assert "      # A guess: 16 to 120.\n      # Check it.\n      - name: age\n" in text


def test_other_readers_of_yaml_find_the_same_values():
    """The file is an ordinary document of the standard, so texts that YAML would guess at are quoted."""
    column = yaml.safe_load(write_contract(with_column(ANSWERS)))["schema"][0]["properties"][-2]
    own = {item["property"]: item["value"] for item in column["customProperties"]}
    assert (column["name"], own["categories"], own["default"]) == ("on", list(ANSWERS.categories), "no")


def test_words_that_yaml_takes_for_booleans_stay_text_without_quotes():
    text = changed(("value: [primary, secondary, tertiary, unknown]", "value: [yes, no, off, secondary, unknown]"))
    text = text.replace("values: [tertiary]", "values: [yes]")
    assert parse_contract(text, "x").by_source["education"].categories == ("yes", "no", "off", "secondary", "unknown")


ROLE = "          - {property: role, value: target}\n"
POST = "value: post_contact}"
STATUSES = "value: [divorced, married, single]"
SIGNS = "".join(f"  - {{property: {name}, value: ','}}\n" for name in ("decimalSign", "thousandsSign"))
FIRST = "  - {property: firstMonth"
BOUNDS = "{minimum: 16, maximum: 120}"
UNIT = "property: unit, value: years"
FAULTS = [
    # what is replaced, by what, and what is found in the message
    ("status: active", "name: other", "line 8: expected the key name once, found it in line 6 too"),
    ("name: uci", "name: &uci uci", "line 6: expected values written out"),
    ("name: uci", "name: !!str uci", "line 6: expected values without a tag"),
    ("name: uci", "nmae: uci", "line 6: expected a key that this release knows, found nmae; did you mean name?"),
    ("version: '1'", "version: 1.1.0", "line 7: version: expected a number, found '1.1.0'"),
    ("apiVersion: v3.1.0", "apiVersion: v2.2.2", "expected apiVersion v3.1.0"),
    ("kind: DataContract", "kind: Contract", "kind: expected DataContract, found 'Contract'"),
    ("- name: age\n", "- nam: age\n", "expected a key that this release knows, found nam; did you mean name?"),
    ("property: protected", "property: protcted", "column age: expected a key that this release knows, found protcted"),
    (UNIT, "property: unit, val: years", "column age: expected {property: …, value: …}"),
    (UNIT, "property: group, value: x", "column age: expected group once"),
    ("value: true", "value: yes", "column age: protected: expected true or false, found 'yes'"),
    (BOUNDS, "{minimum: 16, maxLength: 120}", "column age: expected minimum and maximum"),
    (BOUNDS, "{minimum: 120, maximum: 16}", "column age: expected a minimum up to the maximum"),
    (BOUNDS, "{minimum: 16.5, maximum: 120}", "column age: expected a minimum of the type integer, found 16.5"),
    (BOUNDS, "{minimum: 16, maximum: 3000000000}", "column age: expected a maximum that 32 bits hold"),
    ("value: 40}", "value: forty}", "column age: default: expected a number, found 'forty'"),
    ("value: 40}", "value: 400}", "column age: expected a default from 16 to 120, found 400"),
    ("logicalType: integer", "logicalType: int", "column age: logicalType: expected integer or number or"),
    ("physicalName: age_years", "physicalName: age, years", "column age: expected a table name of small letters"),
    ("physicalName: age_years", "physicalName: arrived_on", "column age: expected a table name of small letters"),
    ("physicalName: age_years", "physicalName: job", "column job: expected every table name once"),
    ("name: marital\n", "name: job\n", "column job: expected every source name once"),
    ("role, value: channel", "role, value: contact_date", "column contact: expected the role contact_date once"),
    (ROLE, "", "expected one column with the role target, found none"),
    (STATUSES, "value: [divorced, Single , single]", "column marital: expected categories that differ, found 'Single'"),
    (STATUSES, "value: [divorced, single, single]", "column marital: expected categories that differ"),
    (STATUSES, "value: [divorced]", "column marital: expected at least two categories"),
    (STATUSES, "value: [divorced, single]", "column marital: expected default and words of its categories"),
    ("value: attempts}", "value: previous_campaign}", "expected pre_contact for the role attempts, found post_contact"),
    (
        "column: balance,",
        "column: duration,",
        f"statistic plan_mean_log_balance: {LEAKAGE_RULE}: expected",
    ),
    (
        POST,
        f"{POST}\n          - {{property: group, value: This call}}",
        f"column duration: {LEAKAGE_RULE}: expected a",
    ),
    ("values: [single]", "values: [singel]", "list statistic plan_share_single: expected categories of marital"),
    ("feature: plan_share_single", "feature: single", "list statistic single: expected a name of its own"),
    ("value: 2008-05}", "value: 2008-13}", "expected the first month as YYYY-MM"),
    ("value: 2008-05}", "value: 1889-05}", "expected the first month as YYYY-MM, from 1990-01 on"),
    ("version: '1'", "version: '0'", "expected version from 1 to"),
    (FIRST, f"  - {{property: farDays, value: -1}}\n{FIRST}", "expected far_days from 1 to 36500, found -1"),
    (FIRST, f"  - {{property: fewShare, value: 1.5}}\n{FIRST}", "expected few_share from 0 to 0.5, found 1.5"),
    ("- name: age\n", "- name: ' age'\n", "expected names and categories of one line"),
    (STATUSES, "value: [divorced, married, single, '']", "expected names and categories of one line"),
    (STATUSES, "value: [divorced, married, single, 'a ']", "expected names and categories of one line"),
    ("'Age {}'", "'Age {age}'", "column age: expected a phrase with {} for the value, found 'Age {age}'"),
    ("  - {property: groups", f"{SIGNS}  - {{property: groups", "expected different decimal and thousands signs"),
]


@pytest.mark.parametrize(("old", "new", "message"), FAULTS)
def test_each_fault_is_named_with_file_and_line(old, new, message):
    text = changed((old, new))
    if "attempts" in old:
        text = text.replace(POST, f"{POST}\n          - {{property: role, value: attempts}}")
    with pytest.raises(ContractError, match=re.escape(message)) as caught:
        parse_contract(text, "own.odcs.yaml")
    assert all(re.match(r"own\.odcs\.yaml, line \d+: ", line) for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    ("text", "message"), [("", "line 1: expected a document, found an empty file"), ("a: [v3", "line 2: expected YAML")]
)
def test_what_is_no_yaml_is_refused(text, message):
    with pytest.raises(ContractError, match=f"own, {message}"):
        parse_contract(text, "own")


def test_every_faulty_column_is_named_at_once():
    text = changed(("value: 40}", "value: forty}"), ("logicalType: date", "logicalType: day"))
    with pytest.raises(ContractError) as caught:
        parse_contract(text, "own.odcs.yaml")
    assert re.findall("column (.*?):", str(caught.value)) == ["contact_date", "age"]


def test_a_setting_names_a_shipped_contract_or_a_path(tmp_path):
    own = tmp_path / "own.odcs.yaml"
    own.write_text(changed(("name: uci\n", "name: own\n")))
    assert load_settings({}).contract == load_settings({"BANK_CONTRACT": "uci-bank-marketing"}).contract == UCI
    assert load_settings({"BANK_CONTRACT": str(own)}).contract.name == "own"
    with pytest.raises(SettingsError, match=r"BANK_CONTRACT: expected .* shipped contract \(.*uci-bank.*\)"):
        load_settings({"BANK_CONTRACT": "uci_bank"})
    own.write_bytes(b"\xff\xfe")
    load_contract.cache_clear()
    with pytest.raises(SettingsError, match="found other bytes than UTF-8"):
        load_settings({"BANK_CONTRACT": str(own)})


@pytest.mark.parametrize(
    ("source", "table"),
    [
        ("emp.var.rate", "emp_var_rate"),
        ("Größe (cm)", "groesse_cm"),
        ("2. Wert", "column_2_wert"),
        ("Nº", "no"),
        ("年", "column_"),
    ],
)
def test_a_table_name_is_made_from_any_name(source, table):
    assert table_name(source) == table
