"""Sent text as the contract spells it, for all that reads files.

A mapping replaces texts before a rule judges them. What it does not know stays as it was sent, so the rule names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

import numpy as np

from bank_assets.contract.column_rules import BoolArray, Encoded
from bank_assets.contract.columns import Column, ColumnKind, NumberSigns
from bank_assets.contract.contract import Contract
from bank_assets.contract.senders import EVERY_COLUMN, Sender
from bank_assets.contract.values import SPACE, decimal_number, nearest, number_text, whole_number


class SentText:
    """Reads what one sender sends by one contract; without a sender every text stays as it is."""

    def __init__(self, contract: Contract, sender: Sender | None) -> None:
        self.contract, self.sender = contract, sender
        self._spelled = {(name, sent): meant for name, sent, meant in sender.values} if sender else {}
        self.text = lru_cache(maxsize=16_384)(self._text)

    @classmethod
    @lru_cache(maxsize=64)
    def of_file(cls, contract: Contract, file_name: str = "") -> SentText:
        """The reader for a file, by its name; "" for a body without a name."""
        senders = (one for one in contract.senders if fnmatchcase(file_name, one.files))
        return cls(contract, next(senders, None))

    def columns(self, sent: Mapping[str, Encoded]) -> tuple[dict[str, Encoded], dict[str, BoolArray]]:
        """Columns in the contract's texts, and the rows that changed, by column, where any did."""
        columns, changed = dict(sent), dict[str, BoolArray]()
        if self.sender is None:
            return columns, changed
        for name, encoded in sent.items():
            texts = [self.text(name, text) for text in encoded.texts]
            is_changed = np.array([new != old for new, old in zip(texts, encoded.texts, strict=True)], dtype=bool)
            if is_changed.any():
                places = Encoded.of(texts)
                columns[name] = Encoded(places.codes[encoded.codes], places.texts)
                changed[name] = is_changed[encoded.codes]
        return columns, changed

    def header(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The contract's names of sent columns; a name that is not mapped stays."""
        names = dict(self.sender.columns) if self.sender else {}
        return tuple(names.get(name, name) for name in columns)

    def decimal_sign(self, name: str) -> str:
        """The sign with which numbers of a sent column are written."""
        column = self.contract.by_source.get(self.header([name])[0])
        return (self.sender.decimal_sign if self.sender else "") or self.contract.signs(column).decimal

    def _text(self, name: str, text: str) -> str:
        """The contract's text for a sent text of a column."""
        column = self.contract.by_source.get(name)
        if self.sender is None or (column is not None and column is self.contract.contact_id):
            return text
        if (name, text) in self._spelled:
            return self._spelled[name, text]
        everywhere = self._spelled.get((EVERY_COLUMN, text))
        if everywhere is not None and column is not None and everywhere in column.categories:
            return everywhere
        if column is None or column.kind is ColumnKind.DATE:  # the one column that no contract lists is a day
            return str(self.sender.day(text) or text)
        if column.is_number:
            return _number(text, self.sender, column, self.contract.signs(column))
        if self.sender.ignore_case and text not in column.categories:
            return nearest(text, column.categories) or text
        return text


def whole_as_sent(text: str, signs: NumberSigns) -> int | None:
    """A whole number of a sender with these signs, which may end with one or two zeros after the decimal sign."""
    text = text.strip(SPACE)
    zeros = next((end for end in (f"{signs.decimal}00", f"{signs.decimal}0") if text.endswith(end)), "")
    return whole_number(text.removesuffix(zeros), signs)


def _number(text: str, sender: Sender, column: Column, to: NumberSigns) -> str:
    if (signs := sender.signs) is None:
        return text
    text, is_whole = text.strip(SPACE), column.kind is ColumnKind.INTEGER
    if is_whole and (whole := whole_as_sent(text, signs)) is not None:
        return str(whole)
    if not is_whole and (decimal := decimal_number(text, signs)) is not None:
        return number_text(decimal, to)
    # By the contract's own signs it would be another number than its sender writes.
    is_other = (whole_number if is_whole else decimal_number)(text, to) is not None
    return f"{text} (not as {sender.name} writes numbers)" if is_other else text
