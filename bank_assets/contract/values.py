"""How a text becomes a value, however it arrives: blanks, numbers, days, identifiers, and what is said of other text.

Nothing is guessed. A text that could be read in two ways, such as 2.000, is refused until the contract declares the
sign, and the message proposes what may have been meant.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import Column, ColumnKind, NumberSigns

SPACE: Final = " \t\n\v\f\r"  # characters that are trimmed around a field
IDENTIFIER_LENGTH: Final = 64
IDENTIFIER_RULE: Final = f"a value of at most {IDENTIFIER_LENGTH} visible characters"  # in words
LOST: Final = "\ufffd"  # stands for a character that a program before us could not read
UNKNOWN: Final = "unknown"
# Text without control characters. PostgreSQL cannot keep NUL: one such id would fail every decision of its commit.
# Ends so because `$` also fits before a last line break.
PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*(?![\s\S])"
REASON_LENGTH: Final = (3, 1_000)  # of what a person writes to end or take back something

_EPOCH: Final = date(1970, 1, 1)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ZONE: Final = re.compile(r" ?(UTC)\Z| (?=[+-][0-9])")  # databases write a blank before it, or its name
NULL_WORDS: Final = frozenset(
    ("null", "nil", "none", "na", "n/a", "#n/a", "nan", "<na>", "nat", "(null)", r"\n", "-", "?", ".")
)
_YES_NO_WORDS: Final = {
    "1": "yes",
    "true": "yes",
    "t": "yes",
    "y": "yes",
    "0": "no",
    "false": "no",
    "f": "no",
    "n": "no",
}
_GROUPED: Final = re.compile(r"[+-]?[0-9]{1,3}([.,'’])[0-9]{3}(?:\1[0-9]{3})*")
_WITH_DECIMALS: Final = re.compile(r"([+-]?[0-9]+)[.,]([0-9]+)")
_CURRENCY: Final = re.compile("[A-Z]{3}|[€$£]")
_FORMULA_STARTS: Final = (*"=+-@\t\r\n", "＝", "＋", "－", "＠")  # the full-width forms too
SHOWN: Final = 60  # longest text of what was found: it may be long, and it is personal data


@lru_cache
def _number(signs: NumberSigns, *, is_whole: bool) -> re.Pattern[str]:
    whole = "[0-9]{1,18}"  # fits an int64
    if signs.thousands:
        whole = rf"(?:{whole}|[0-9]{{1,3}}(?:{re.escape(signs.thousands)}[0-9]{{3}}){{1,5}})"
    return re.compile(rf"[+-]?{whole}" + ("" if is_whole else rf"(?:{re.escape(signs.decimal)}[0-9]+)?"))


def whole_number(text: str, signs: NumberSigns = NumberSigns()) -> int | None:
    """A whole number: an optional sign and at most 18 digits, in groups of three if a thousands sign is declared.

    A decimal sign is never part of one: 58.0 and 2.000 are refused alike.
    """
    text = text.strip(SPACE)
    if not _number(signs, is_whole=True).fullmatch(text):
        return None
    return int(text.replace(signs.thousands, "") if signs.thousands else text)


def decimal_number(text: str, signs: NumberSigns = NumberSigns(), *, is_money: bool = False) -> float | None:
    """A number with any number of decimals.

    Money is never written with one group of three decimals: without a declared thousands sign, 2.000 is refused.
    """
    text = text.strip(SPACE)
    if not _number(signs, is_whole=False).fullmatch(text):
        return None
    if is_money and not signs.thousands and _GROUPED.fullmatch(text) and not text.lstrip("+-").startswith("0"):
        return None
    if signs.thousands:
        text = text.replace(signs.thousands, "")
    return float(text.replace(signs.decimal, "."))


class NumberError(ValueError):
    """A text is no number, or lies outside its bounds; `expected` and `found` say it in words."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected, self.found = expected, found


def number_within(
    text: str,
    low: float,
    high: float = math.inf,
    *,
    is_whole: bool = False,
    is_money: bool = False,
    signs: NumberSigns = NumberSigns(),
) -> float:
    """The number that a person wrote in a setting, form, address or command; raise `NumberError` outside the bounds."""
    value = whole_number(text, signs) if is_whole else decimal_number(text, signs, is_money=is_money)
    if value is None or not low <= value <= high:
        kind = "a whole number" if is_whole else "a number"
        bounds = f" from {low:,.15g} to {high:,.15g}" if high < math.inf else f" of at least {low:,.15g}"
        raise NumberError(
            kind + ("" if low == -math.inf else bounds),
            found_words(text, number_meant(text.strip(SPACE), signs, is_whole=is_whole)),
        )
    return value


def numbers(texts: Sequence[str], column: Column, signs: NumberSigns) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Parse the numbers of a column, and say which texts are numbers."""
    if column.kind is ColumnKind.INTEGER:
        found: list[Any] = [whole_number(text, signs) for text in texts]
    else:
        found = [decimal_number(text, signs, is_money=is_money(column)) for text in texts]
    kind = np.int64 if column.kind is ColumnKind.INTEGER else np.float64
    is_read = np.array([one is not None for one in found], dtype=bool)
    return np.array([one or 0 for one in found], dtype=kind), is_read


def number_text(value: float, signs: NumberSigns = NumberSigns()) -> str:
    """A number as a text that the same signs read back."""
    return np.format_float_positional(value, trim="-").replace(".", signs.decimal)


def value_text(value: object, signs: NumberSigns = NumberSigns()) -> str:
    """A value of a column as delivered text."""
    return number_text(value, signs) if isinstance(value, int | float) else str(value)


@lru_cache(maxsize=16_384)
def iso_day(text: str) -> date | None:
    """The day of a text YYYY-MM-DD; None for any other text, the further ISO forms among them."""
    if _DAY.fullmatch(text):
        with suppress(ValueError):
            return date.fromisoformat(text)
    return None


def moment(text: str) -> datetime | None:
    """An ISO time, or the midnight of an ISO day; None for any other text. Its day is the day as written."""
    if iso_day(text[:10]) is not None and text[10:11] in ("", "T", " "):
        with suppress(ValueError):
            return datetime.fromisoformat(_ZONE.sub(lambda zone: "Z" if zone[1] else "", text))
    return None


def utc_text(text: str, *, keeps_day: bool = False) -> str | None:
    """An ISO time as the ledger writes times, UTC if no zone is given; a day is its midnight. None for any other text.

    With `keeps_day` a time in another zone, whose day is another one in UTC, stays as written to the second.
    """
    written = moment(text.strip(SPACE))
    if written is None:
        return None
    try:
        at = written.astimezone(UTC) if written.tzinfo else written.replace(tzinfo=UTC)
    except OverflowError:
        return None
    if keeps_day and at.date() != written.date():
        return written.isoformat(timespec="seconds")
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)


def days(texts: Sequence[str], *, with_time: bool = False) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Parse days written exactly YYYY-MM-DD as datetime64[D], and say which texts are days.

    With `with_time`, the day of a time stamp is read too, as it is written in whatever zone.
    """
    found = [moment(text.strip(SPACE)) if with_time else iso_day(text.strip(SPACE)) for text in texts]
    ordinals = np.array([(one or _EPOCH).toordinal() for one in found], dtype=np.int64) - _EPOCH.toordinal()
    return ordinals.astype("datetime64[D]"), np.array([one is not None for one in found], dtype=bool)


def is_identifier(text: str) -> bool:
    """Whether a text can name a contact: 1 to 64 characters, all visible or inner blanks, none lost on the way."""
    is_whole = text.isprintable() and LOST not in text
    return 0 < len(text) <= IDENTIFIER_LENGTH and is_whole and text == text.strip(SPACE)


def is_reason(text: str) -> bool:
    """Whether a text may be the reason for which a person ends or takes back something."""
    return REASON_LENGTH[0] <= len(text) <= REASON_LENGTH[1] and re.search(PRINTABLE, text) is not None


def spreadsheet_text(text: str) -> str:
    """Prefix a text with an apostrophe if a spreadsheet would run it as a formula.

    Only files that people open need this; the API returns ids as delivered. `plain_identifier` takes it off again.
    """
    return f"'{text}" if text.lstrip(" '").startswith(_FORMULA_STARTS) else text


@lru_cache(maxsize=16_384)
def plain_identifier(text: str) -> str:
    """An identifier without signs that nobody sees, blanks around it, and the apostrophe of `spreadsheet_text`."""
    if text.isascii() and text.isprintable():
        text = text.strip(SPACE)
    else:
        text = "".join(one for one in text if unicodedata.category(one) != "Cf").strip()
    return text[1:] if text.startswith("'") and spreadsheet_text(text[1:]) == text else text


def identifier_key(text: str) -> str:
    """What two spellings of an identifier have in common: `K-7` and ` k-7` name one person."""
    return plain_identifier(text).casefold()


def is_money(column: Column) -> bool:
    """Whether the values of a column are amounts of money, by its unit."""
    return _CURRENCY.fullmatch(column.unit) is not None


def nearest(text: str, known: Iterable[str]) -> str:
    """The only known text that differs from this one by case, blanks or punctuation alone; else ""."""
    found = [one for one in known if _key(one) == _key(text)]
    return found[0] if len(found) == 1 else ""


@lru_cache(maxsize=1_024)
def _key(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def found_words(text: str, hint: str = "") -> str:
    """What was found, for the end of a sentence; `hint` is what `meant` says of it."""
    return (f'"{visible(text)}"' if text else "nothing") + (f" ({hint})" if hint else "")


def escaped(text: str) -> str:
    r"""A text in which what cannot be printed is written as an escape, such as `\n` or `\u2028`."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def visible(text: str) -> str:
    """A text with its invisible characters escaped, shortened to 60 characters."""
    shown = escaped(text[: SHOWN + 1])
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "..."


def meant(text: str, column: Column, signs: NumberSigns = NumberSigns()) -> str:
    """What may have been meant by a refused text of a column; "" without an idea."""
    if not text or text.lower() in NULL_WORDS:
        is_known = UNKNOWN in column.categories
        return f"empty: write {UNKNOWN}, or map it" if is_known else "leave it empty, or map it" if text else ""
    if column.is_number:
        return number_meant(text, signs, is_whole=column.kind is ColumnKind.INTEGER, unit=column.unit)
    found = nearest(
        _YES_NO_WORDS.get(text.lower(), text) if column.kind is ColumnKind.BOOLEAN else text, column.categories
    )
    return f'did you mean "{found}"?' if found else ""


def number_meant(text: str, signs: NumberSigns, *, is_whole: bool = False, unit: str = "") -> str:
    """What may have been meant by a text that is no number under these signs; "" without an idea."""
    plain = "".join(text.replace(unit, "").split())
    if _GROUPED.fullmatch(plain):
        plain = re.sub("[^0-9+-]", "", plain)
    elif number := _WITH_DECIMALS.fullmatch(plain):
        if not is_whole:
            plain = f"{number[1]}{signs.decimal}{number[2]}"
        elif not number[2].strip("0"):
            plain = number[1]
    is_number = plain != text and _number(signs, is_whole=is_whole).fullmatch(plain)
    return f"did you mean {plain}?" if is_number else ""
