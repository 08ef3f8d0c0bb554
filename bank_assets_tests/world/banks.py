"""Banks with columns of their own: contracts, and small histories drawn from whatever columns a contract has."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np

from bank_assets.contract.columns import Column, ColumnKind, ColumnRole, KnownWhen, ListStatistic
from bank_assets.contract.contract import Contract
from bank_assets.core.model.scorer import expit

_PRE = KnownWhen.PRE_CONTACT
WEEKDAYS = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag")
_MONEY = [
    Column(name, table, ColumnKind.DECIMAL, _PRE, name, unit="EUR", minimum=-1e6, maximum=1e7, group="Geld")
    for name, table in [("Ø Saldo", "saldo"), *((f"Umsatz {n}. Quartal, EUR", f"umsatz_{n}") for n in range(1, 11))]
]
_MARKS = [
    Column(f"merkmal.{n}", f"merkmal_{n}", ColumnKind.CATEGORY, _PRE, "", categories=("ja", "nein", "Größe: k. A."))
    for n in range(1, 11)
]
# Thirty columns in another language: names with blanks, dots, commas and umlauts, other categories, a decimal comma.
FOREIGN = Contract(
    "sparkasse",
    1,
    "2023-01",
    (
        Column("Vorgang", "contact_id", ColumnKind.STRING, KnownWhen.IDENTIFIER, "", role=ColumnRole.CONTACT_ID),
        Column("Kunden-Nr.", "kunde", ColumnKind.STRING, KnownWhen.IDENTIFIER, "", role=ColumnRole.CUSTOMER_ID),
        Column("Anruf am", "contact_date", ColumnKind.DATE, _PRE, "", role=ColumnRole.CONTACT_DATE),
        Column("Wochentag", "wochentag", ColumnKind.CATEGORY, _PRE, "", categories=WEEKDAYS, role=ColumnRole.CALENDAR),
        Column("Alter (Jahre)", "alter_jahre", ColumnKind.INTEGER, _PRE, "", unit="Jahre", minimum=18, maximum=110,
               protected=True),
        Column("Tage seit Kontakt", "tage_seit_kontakt", ColumnKind.INTEGER, _PRE, "", minimum=-1, maximum=9_999,
               sentinel=-1, default=-1, role=ColumnRole.DAYS_SINCE_PREVIOUS),
        Column("Vertrag", "has_contract", ColumnKind.BOOLEAN, _PRE, "", categories=("no", "yes")),
        *_MONEY,
        *_MARKS,
        Column("Gespräch (s)", "gespraech_sekunden", ColumnKind.INTEGER, KnownWhen.POST_CONTACT, "", minimum=0,
               maximum=9_999),
        Column("Abschluss", "is_subscribed", ColumnKind.BOOLEAN, KnownWhen.TARGET, "", categories=("no", "yes"),
               role=ColumnRole.TARGET),
    ),
    (ListStatistic("plan_share_ja", "merkmal.1", values=("ja",)),),
    ("Geld",),
    decimal_sign=",",
)  # fmt: skip


def history_of(
    contract: Contract, n_days: int = 40, per_day: int = 12, seed: int = 3
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a delivery with every column of a contract, in time order; the first number has a signal."""
    rng = np.random.default_rng(seed)
    first = date(int(contract.first_month[:4]), int(contract.first_month[5:]), 1)
    workdays = [day for day in (first + timedelta(n) for n in range(2 * n_days)) if day.weekday() < 5][:n_days]
    days = [day for day in workdays for _ in range(per_day)]
    n = len(days)
    columns, log_odds = {}, np.full(n, -1.0)
    for column in contract.columns:
        if column.is_number and column.role is not ColumnRole.CALENDAR:
            low, high = (0.0 if bound is None else bound for bound in (column.minimum, column.maximum))
            numbers = low + (high - low) * rng.beta(1.0, 8.0, n)
            numbers = np.round(numbers, 0 if column.kind is ColumnKind.INTEGER else 2)
            if column.sentinel is not None:
                numbers = np.where(rng.random(n) < 0.5, column.sentinel, numbers)
            sign = contract.signs(column).decimal
            digits = 0 if column.kind is ColumnKind.INTEGER else 2
            columns[column.source] = [f"{number:.{digits}f}".replace(".", sign) for number in numbers]
            if column is contract.payload[0]:
                log_odds += 3.0 * (numbers > np.median(numbers))
        elif column.categories and column.role not in (ColumnRole.CALENDAR, ColumnRole.TARGET):
            columns[column.source] = [column.categories[place] for place in rng.integers(0, len(column.categories), n)]
    calendar = {"day": lambda day: str(day.day), "month": lambda day: day.month - 1, "weekday": date.weekday}
    for column in contract.with_role(ColumnRole.CALENDAR):
        found = [calendar[column.calendar_part](day) for day in days]
        columns[column.source] = [one if isinstance(one, str) else column.categories[one] for one in found]
    columns[contract.customer_id.source] = [f"k-{number % 97:03d}" for number in range(n)]
    columns[contract.contact_id.source] = [f"v-{number:05d}" for number in range(n)]
    columns[contract.contact_date.source] = [str(day) for day in days]
    columns[contract.target.source] = np.where(rng.random(n) < expit(log_odds), "yes", "no").tolist()
    names = list(contract.delivery_columns)
    return names, [list(row) for row in zip(*(columns[name] for name in names), strict=True)]


def write_history(path: Path, contract: Contract, *, without: tuple[str, ...] = (), **options: int) -> Path:
    """A delivery of a generated history as CSV."""
    names, rows = history_of(contract, **options)
    kept = [place for place, name in enumerate(names) if name not in without]
    lines = [";".join(f'"{row[place]}"' for place in kept) for row in (names, *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
