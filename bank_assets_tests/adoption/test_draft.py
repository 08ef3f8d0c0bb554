"""A draft is a contract that the file fits, with its reasons; what the file does not tell stands as an option."""

import random
from datetime import date, timedelta

import pyarrow.csv
import pyarrow.parquet
import pytest

from bank_assets.adoption.check import check_file
from bank_assets.adoption.draft import draft_contract
from bank_assets.adoption.findings import study
from bank_assets.adoption.table import read_table
from bank_assets.contract.columns import ColumnKind, ColumnRole, KnownWhen
from bank_assets.contract.errors import ContractError
from bank_assets.contract.file import parse_contract
from bank_assets.contract.file_writing import write_contract
from bank_assets.contract.senders import Sender

UCI_ROWS = """"age";"job";"marital";"education";"default";"balance";"housing";"loan";"contact";"day";"month";"duration";"campaign";"pdays";"previous";"poutcome";"y"
58;"management";"married";"tertiary";"no";2143;"yes";"no";"unknown";5;"may";261;1;-1;0;"unknown";"no"
44;"technician";"single";"secondary";"no";29;"yes";"no";"unknown";5;"may";151;1;-1;0;"unknown";"no"
33;"entrepreneur";"married";"secondary";"no";2;"yes";"yes";"unknown";5;"may";76;1;-1;0;"unknown";"no"
47;"blue-collar";"married";"unknown";"no";1506;"yes";"no";"unknown";6;"may";92;1;-1;0;"unknown";"no"
35;"management";"married";"tertiary";"yes";231;"yes";"no";"unknown";6;"may";139;1;-1;0;"unknown";"no"
42;"entrepreneur";"divorced";"tertiary";"no";0;"yes";"yes";"telephone";7;"may";380;2;151;3;"failure";"yes"
58;"retired";"married";"primary";"no";121;"no";"no";"cellular";9;"jun";50;1;-1;0;"unknown";"no"
"""  # noqa: E501
ADDITIONAL_ROWS = """"age";"job";"default";"contact";"month";"day_of_week";"duration";"pdays";"emp.var.rate";"cons.price.idx";"y"
56;"housemaid";"no";"telephone";"may";"mon";261;999;1.1;93.994;"no"
57;"services";"unknown";"telephone";"may";"tue";149;999;1.1;93.994;"no"
37;"services";"no";"cellular";"may";"wed";226;6;-1.8;92.893;"yes"
40;"admin.";"yes";"cellular";"jun";"mon";151;3;-1.8;92.893;"no"
"""  # noqa: E501
GERMAN = (
    "Vorgangsnummer;Kundennummer;Anrufdatum;Geburtsjahr;Alter;Geschlecht;Familienstand;Staatsangehörigkeit;Beruf;"
    "Filiale;PLZ;Kontaktart;Anrufversuche;Tage seit letztem Kontakt;Frühere Kontakte;Ergebnis Vorkampagne;"
    "Girokonto-Saldo EUR;Sparguthaben;Monatseinkommen;Kreditlinie;Kreditzins in %;Hypothek;Depot;Online-Banking;"
    "Kunde seit;Produktanzahl;Gesprächsdauer (Sek.);Vertragsnummer;Bemerkung;Abschluss"
)


def german(n=800, no_yes=("no", "yes"), written="%Y-%m-%d"):
    """A bank with 30 columns of its own."""
    rng, day, rows = random.Random(7), date(2021, 3, 1), [GERMAN]
    for k in range(n):
        day += timedelta(k % 4 == 3)
        is_yes, is_new = rng.random() < 0.3, rng.random() < 0.8
        amounts = (rng.gauss(1500, 900), rng.expovariate(1 / 5000), rng.uniform(900, 6000), 500)
        row = [
            f"V{100_000 + k}", f"{rng.randint(1, n):07d}", day.strftime(written), str(rng.randint(1940, 2000)),
            str(rng.randint(18, 90)), rng.choice("mwd"), rng.choice(["ledig", "verheiratet", "verwitwet"]),
            rng.choice(["DE", "AT", "TR"]), rng.choice(["Beamte", "Rentner"]), rng.choice(["Köln", "Bonn"]),
            f"{rng.randint(1000, 99999):05d}", rng.choice(["Telefon", "Mobil"]), str(rng.randint(1, 6)),
            "999" if is_new else str(rng.randint(1, 400)), "0" if is_new else "2", "keine" if is_new else "Erfolg",
            *(f"{amount:,.2f}".translate(str.maketrans(".,", ",.")) for amount in amounts),
            f"{rng.uniform(1, 9):.2f}".replace(".", ","), *(rng.choice(["ja", "nein"]) for _ in range(3)),
            f"{rng.randint(1980, 2020)}-01-02", str(rng.randint(1, 7)), str(int(rng.gauss(250 + 250 * is_yes, 100))),
            f"D{k:06d}" if is_yes else "", f"Notiz {k}", no_yes[is_yes],
        ]  # fmt: skip
        rows.append(";".join(row))
    return "\n".join(rows) + "\n"


@pytest.fixture
def draft_of(tmp_path):
    """Drafts a contract of a text, and checks the same text against the contract file that was written."""

    def draft(text, target="", encoding="utf-8"):
        path = tmp_path / "my bank.csv"
        path.write_text(text, encoding)
        draft = draft_contract(study(read_table(path), today=date(2022, 11, 27), target=target))
        read = parse_contract(write_contract(draft.contract, draft.comments), "draft")
        assert read == draft.contract
        return draft, lambda: check_file(path, read)

    return draft


def said(draft, column):
    return " ".join(draft.comments[column])


def roles(contract):
    return {str(one.role): one.source for one in contract.columns if one.role not in (None, ColumnRole.CALENDAR)}


def test_uci_rows_are_understood(draft_of):
    draft, check = draft_of(UCI_ROWS)
    contract = draft.contract
    assert roles(contract) == {
        "contact_id": "contact_id", "contact_date": "contact_date", "target": "y", "channel": "contact",
        "attempts": "campaign", "days_since_previous": "pdays", "previous_campaign": "poutcome",
    }  # fmt: skip
    assert contract.calendar_columns == ("day", "month")
    assert contract.post_contact_columns == ("duration",)
    assert contract.protected_columns == ("age", "marital")
    assert contract.by_source["balance"].unit == "EUR"
    assert contract.by_source["pdays"].sentinel == -1
    assert contract.senders == ()
    assert "is numbered by it" in said(draft, "contact_id")
    assert (check().n_rows, check().codes) == (7, {})


def test_names_with_dots_and_a_year_that_the_file_does_not_tell(draft_of):
    draft, check = draft_of(ADDITIONAL_ROWS)
    rate = draft.contract.by_source["cons.price.idx"]
    assert (rate.kind, rate.table) == (ColumnKind.DECIMAL, "cons_price_idx")
    assert draft.contract.by_source["pdays"].sentinel == 999
    assert draft.contract.by_source["default"].categories == ("no", "unknown", "yes")
    assert (
        "To decide: the first year. By the order of the rows it may be 2022, 2021, 2020, 2019, 2018 or earlier;"
        in said(draft, "")
    )
    assert (check().n_rows, check().codes) == (4, {})


def test_a_bank_with_thirty_columns_in_another_language(draft_of):
    draft, check = draft_of(german())
    contract = draft.contract
    assert len(contract.columns) == 30
    assert roles(contract) == {
        "contact_id": "Vorgangsnummer", "customer_id": "Kundennummer", "contact_date": "Anrufdatum",
        "target": "Abschluss", "channel": "Kontaktart", "attempts": "Anrufversuche",
        "days_since_previous": "Tage seit letztem Kontakt", "previous_campaign": "Ergebnis Vorkampagne",
    }  # fmt: skip
    assert contract.protected_columns == ("Geburtsjahr", "Alter", "Geschlecht", "Familienstand", "Staatsangehörigkeit")
    assert contract.post_contact_columns == ("Gesprächsdauer (Sek.)", "Vertragsnummer")
    assert "suspected: alone it separates" in said(draft, "Vertragsnummer")
    (sender,) = contract.senders
    assert (sender.decimal_sign, sender.thousands_sign, sender.values) == (",", ".", ())
    assert contract.by_source["Girokonto-Saldo EUR"].unit == "EUR"
    assert contract.by_source["PLZ"].known is KnownWhen.IDENTIFIER
    assert contract.by_source["Kunde seit"].kind is ColumnKind.DATE
    assert contract.by_source["Hypothek"].categories == ("ja", "nein")
    assert "Frühere Kontakte" in contract.numeric_columns
    assert 0 < len(contract.list_statistics) <= 15
    assert check().codes == {}
    assert check().mapped["Girokonto-Saldo EUR"] == 800


def written(column="", write=str, n=60):
    """Rows of a bank, one column of which is written in its own way."""
    lines = ["id;contact_date;job;n;y" + (f";{column}" if column == "customer_nr" else "")]
    for k in range(n):
        row = {
            "id": f"{k:05}",
            "contact_date": f"2021-03-{1 + k % 28:02}",
            "job": ("clerk", "nurse")[k % 2],
            "n": k % 7,
        }
        row["y"] = "no" if k % 3 == 0 else "yes"
        lines.append(";".join(map(str, (row | ({column: write(k)} if column else {})).values())))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("column", "write", "sender"),
    [
        ("y", lambda k: "0" if k % 3 == 0 else "1", {"values": (("y", "1", "yes"), ("y", "0", "no"))}),
        ("y", lambda k: "nein" if k % 3 == 0 else "Ja", {"values": (("y", "Ja", "yes"), ("y", "nein", "no"))}),
        ("y", lambda k: ("no", "YES", "yes")[k % 3], {"values": (("y", "YES", "yes"),)}),
        ("y", lambda k: ("no", "NA", "yes", "")[k % 4], {"values": (("y", "NA", ""),)}),
        ("job", lambda k: ("nurse", "Nurse", "clerk")[k % 3], {"ignore_case": True}),
        ("job", lambda k: ("nurse", "", "N/A")[k % 3], {"values": (("*", "", "unknown"), ("*", "N/A", "unknown"))}),
        ("n", lambda k: ("", "3", "NULL", "4")[k % 4], {"values": (("n", "", "-1"), ("n", "NULL", "-1"))}),
        ("n", lambda k: ("", "3.0", "4.0")[k % 3], {"values": (("n", "", "-1"),), "decimal_sign": "."}),
        ("n", lambda k: f"{k}.5", None),
        ("n", lambda k: f"{k},5", {"decimal_sign": ","}),
        ("n", lambda k: f"{k + 1}.000,5", {"decimal_sign": ",", "thousands_sign": "."}),
        ("customer_nr", lambda k: ("A-7", "NULL", "A-8", "")[k % 4], {"values": (("customer_nr", "NULL", ""),)}),
        ("contact_date", lambda k: f"{1 + k % 28:02}.03.2021", {"date_format": "DD.MM.YYYY"}),
        ("contact_date", lambda k: f"{1 + k % 28}/3/2021", {"date_format": "D/M/YYYY"}),
        ("contact_date", lambda k: f"2021-03-{1 + k % 28:02} 10:00:00", {"date_format": "YYYY-MM-DD*"}),
        ("contact_date", lambda k: f"{1 + k % 28}.3.2021 1{k % 10}:00:00.5+01:00", {"date_format": "D.M.YYYY*"}),
    ],
)
def test_how_the_sender_writes_is_declared_and_no_row_is_rejected(draft_of, column, write, sender):
    draft, check = draft_of(written(column, write))
    assert draft.contract.senders == (() if sender is None else (Sender("my_bank", **sender),))
    found = check()
    assert (found.n_rows, found.n_rejected, found.codes) == (60, 0, {})
    assert bool(found.mapped) is (sender is not None)


def test_what_lands_not_is_named_with_its_rows(draft_of):
    text = written("n", lambda k: "about 5" if k == 7 else k + 1, 150) + '58;"one quote;5\n'
    draft, check = draft_of(text.replace("2021-03-03", "1999-03-03", 1))
    assert draft.contract.first_month == "2021-03"
    assert "0.7 % are no numbers and are rejected: 'about 5'." in said(draft, "n")
    assert "1 lines are left out. row: expected quotes around whole values" in said(draft, "")
    found = check()
    assert found.codes == {"n.not_an_integer_in_range": 1, "row.open_quote": 1, "contact_date.not_a_usable_day": 1}
    assert any('found "about 5" (1 times)' in line for line in found.lines)
    assert list(found.lines)[-1] == "rejected: 3 of 151 rows (2.0 %)"


def test_columns_whose_signs_differ_have_their_own(draft_of):
    header, *lines = written("n", lambda k: f"{k},5").splitlines()
    text = "\n".join([f"{header};m", *(f"{line};{k}.25" for k, line in enumerate(lines))])
    draft, check = draft_of(text)
    assert (draft.contract.senders, draft.contract.by_source["n"].decimal_sign) == ((), ",")
    assert check().codes == {}


def test_bytes_of_windows(draft_of):
    draft, check = draft_of(written("job", lambda k: ("Bäcker", "10 €")[k % 2]), encoding="cp1252")
    assert draft.contract.encoding == "cp1252"
    assert draft.contract.by_source["job"].categories == ("10 €", "Bäcker")
    assert check().codes == {}


WORKDAYS = [day for k in range(900) if (day := date(2008, 5, 5) + timedelta(k)).weekday() < 5]


@pytest.mark.parametrize("part", ["%d", "%a"])
def test_days_or_weekdays_in_row_order_tell_the_first_year(draft_of, part):
    name = {"%d": "day", "%a": "weekday"}[part]
    lines = [f"{day:%b};{day.strftime(part)};{('no', 'yes')[k % 3 == 0]}" for k, day in enumerate(WORKDAYS)]
    draft, check = draft_of("\n".join([f"month;{name};y", *lines]))
    assert (draft.contract.dates_from_row_order, draft.contract.first_month) == (True, "2008-05")
    assert "To decide: the first year. By the order of the rows it may be 2008" in said(draft, "")
    assert (check().n_rows, check().codes) == (len(WORKDAYS), {})
    draft, check = draft_of("\n".join([f"month;{name};y", *lines[::-1]]))
    assert not draft.contract.dates_from_row_order
    assert "it may be none: add dates." in said(draft, "")


def test_the_outcome_may_be_named(draft_of):
    rows = "id;a;b\n" + "\n".join(f"{k};{'xy'[k % 2]};{'uv'[k % 3 == 0]}" for k in range(9))
    draft, _ = draft_of(rows)
    assert draft.contract.target.source == "b"
    assert "Taken as the last column of two values; others are a." in said(draft, "b")
    assert draft_of(rows, "a")[0].contract.target.source == "a"
    with pytest.raises(ContractError, match="expected a column of two values, found 'c' which the file does not have"):
        draft_of(rows, "c")


@pytest.mark.parametrize("text", ["a;b\n1;2\n3;4\n5;6\n", "a;b\n1;x\n"])
def test_a_file_without_an_outcome_is_refused_in_one_sentence(draft_of, text):
    with pytest.raises(
        ContractError, match=r"my bank.csv: expected an outcome, .*, found none; name .* by --target\.$"
    ):
        draft_of(text)


def test_odd_columns_end_in_a_contract_all_the_same(draft_of):
    text = "always,empty,Name,name,nr,id,y,contact date,remark\n" + "\n".join(
        f"x,,person {k},{'Aa'[k % 2]},{10**11 + k},{k},{'yes' if k % 3 else 'no'},2021-0{1 + k % 9}-01,{'abc' * k}"
        for k in range(60)
    )
    draft, check = draft_of(text)
    contract = draft.contract
    assert contract.contact_id.source == "nr"
    assert "it tells nothing" in said(draft, "always")
    assert contract.post_contact_columns == ("empty", "remark")
    assert "Kept with the outcome" in said(draft, "remark")
    assert contract.by_source["Name"].table != contract.by_source["name"].table
    assert "Empty in every row: carried along." in said(draft, "empty")
    assert check().codes == {}
    assert contract.contact_date.source == "contact date"


def test_one_row_more_than_the_header(draft_of):
    draft, check = draft_of("id;job;contact_date;y\n1;nurse;2021-01-01;yes\n2;nurse;2021-01-02;no\n")
    assert "Too few outcomes" in said(draft, "")
    assert check().codes == {}


def test_parquet_gives_the_contract_of_the_same_csv(tmp_path):
    (tmp_path / "a.csv").write_text(UCI_ROWS, "utf-8")
    table = pyarrow.csv.read_csv(tmp_path / "a.csv", parse_options=pyarrow.csv.ParseOptions(delimiter=";"))
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    drafts = [
        draft_contract(study(read_table(tmp_path / name), today=date(2026, 1, 1))).contract
        for name in ("a.csv", "a.parquet")
    ]
    assert drafts[0] == drafts[1]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"a;b\n", "0 rows"),
        (b"only\n1\n", "a first line of one field, 'only'"),
        (b"a;a\n1;2\n", "'a' repeatedly or without a name"),
        (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
        ("id;y\n1;no\n".encode("utf-16"), "UTF-16 text"),
        (None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(tmp_path, content, found):
    path = tmp_path / "x.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ContractError, match=found) as error:
        read_table(path)
    assert str(error.value).startswith("x.csv: expected ")
