"""How a sender spells columns and values, as the contract declares it; without a declaration nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from bank_assets.contract.columns import Column, NumberSigns
from bank_assets.contract.errors import ContractError
from bank_assets.contract.feeds import DISPOSITION, DISPOSITION_FEED, FEED_COLUMNS

if TYPE_CHECKING:
    from bank_assets.contract.contract import Contract

EVERY_COLUMN: Final = "*"
_DISPOSITION: Final = next(one for one in DISPOSITION_FEED.columns if one.source == DISPOSITION)
# In the order in which they are replaced.
_DATE_PARTS: Final = {
    "YYYY": "%Y", "MM": "%m", "M": "%m", "DD": "%d", "D": "%d", "hh": "%H", "mm": "%M", "ss": "%S",
}  # fmt: skip


def _is_date_format(text: str) -> bool:
    parts = [part[0] for part in re.findall("|".join(_DATE_PARTS), text)]
    signs = re.sub("|".join(_DATE_PARTS), "", text)
    is_whole = {"Y", "M", "D"} <= set(parts) and len(set(parts)) == len(parts)
    return is_whole and not any(sign.isalnum() or sign == "%" for sign in signs.replace("T", ""))


@dataclass(frozen=True, slots=True)
class Sender:
    """How one sender spells columns and values.

    Attributes:
        files: names of the sender's files, with `*` and `?`; `*` holds for every file and for uploads without a name.
        columns: (sent, the contract's) names of columns.
        values: (column or `*` for every one, sent text, the contract's text); an empty sent text is an empty field.
        ignore_case: whether a category may differ by case, blanks or punctuation.
        decimal_sign: of the sender's numbers, or "" for the contract's; `thousands_sign` belongs to it. Where a decimal
            sign is named, whole numbers may end with one or two zeros after it, as pandas writes them: 58.0.
        date_format: made of YYYY, MM, DD, hh, mm, ss and the signs between them, or "" for YYYY-MM-DD. Days
            and months without leading zeros are D and M, and `*` at the end is any time of day after T or a blank.
    """

    name: str
    files: str = "*"
    columns: tuple[tuple[str, str], ...] = ()
    values: tuple[tuple[str, str, str], ...] = ()
    ignore_case: bool = False
    decimal_sign: str = ""
    thousands_sign: str = ""
    date_format: str = ""

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Sender:
        """Read what a contract's canonical form holds."""
        lists = {name: tuple(map(tuple, document.get(name, ()))) for name in ("columns", "values")}
        return cls(**{**document, **lists})

    @property
    def signs(self) -> NumberSigns | None:
        """The signs of the sender's numbers, or None if they are the contract's."""
        return NumberSigns(self.decimal_sign, self.thousands_sign) if self.decimal_sign else None

    def day(self, text: str) -> date | None:
        """The day of a text in the sender's date format, else None."""
        pattern = self.date_format
        if pattern.endswith("*"):
            pattern, text = pattern[:-1], re.split("[T ]", text, maxsplit=1)[0]
        is_padded = "DD" in pattern and "MM" in pattern
        if not pattern or (is_padded and len(text) != len(pattern)):  # strptime takes one digit for DD
            return None
        for part, directive in _DATE_PARTS.items():
            pattern = pattern.replace(part, directive)
        with suppress(ValueError):
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007 - a day
        return None

    def problems(self, contract: Contract) -> Iterator[str]:
        """What does not fit between the mapping and its contract, in sentences."""
        known = (*contract.delivery_columns, *contract.outcome_columns, *FEED_COLUMNS)
        if strangers := {name for _, name in self.columns if name not in known}:
            yield f"sender {self.name}: expected columns of the contract, found {sorted(strangers)}; correct the names."
        known_values = {category for column in contract.columns for category in column.categories}
        for name, sent, meant in self.values:
            if name == EVERY_COLUMN and meant not in known_values:
                yield f"sender {self.name}: expected {sent!r} to stand for a category, found {meant!r}; correct it."
            column = contract.by_source.get(name) or (_DISPOSITION if name == DISPOSITION else None)
            if column is None and name != EVERY_COLUMN:
                yield f"sender {self.name}: expected values of a column or of *, found {name!r}; correct the name."
            elif column is not None and column.categories and meant not in _allowed(column):
                yield (
                    f"sender {self.name}: expected {sent!r} to stand for one of {', '.join(column.categories)} in "
                    f"{name}, found {meant!r}; correct it."
                )
        if self.date_format and not _is_date_format(self.date_format):
            yield (
                f"sender {self.name}: expected a date format with YYYY, MM and DD, each once, at most hh, mm and ss "
                f"besides, and signs between them, found {self.date_format!r}."
            )
        if self.thousands_sign and not self.decimal_sign:
            yield f"sender {self.name}: expected a decimal sign beside the thousands sign, found none; name both."
        try:
            _ = self.signs
        except ContractError as error:
            yield f"sender {self.name}: {error}"


def _allowed(column: Column) -> tuple[str, ...]:
    """What a text may stand for; an outcome may not be known yet."""
    return column.categories if column.is_input else (*column.categories, "")
