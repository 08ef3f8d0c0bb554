"""Takes objections to direct marketing alike from pages, the API and uploaded files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from litestar.datastructures import UploadFile

from bank_assets.contract.id_lists import LineFault, read_ids, text_of
from bank_assets.contract.values import identifier_key
from bank_assets.reports.formats import count
from serving.customers.known import KnownCustomers
from serving.customers.suppressions import Suppressions
from serving.web.problems import FieldError, PayloadError

SHOWN: Final = 20  # unknown identifiers and faults that an answer names


@dataclass(frozen=True, slots=True)
class ObjectionsTaken:
    """What became of some objections."""

    ids: int
    added: int
    known: int
    unknown: list[str]  # the first of those that no customer has
    hint: str  # what may have gone wrong, or ""

    @property
    def sentence(self) -> str:
        """The result in words."""
        known = f"{count(self.known)} of {count(self.ids)} {'is a' if self.ids == 1 else 'are'} known customer"
        return (
            f"{count(self.added)} added, {count(self.ids - self.added)} were on the list already. "
            f"{known}{'' if self.ids == 1 else 's'}{': ' + self.hint if self.hint else '.'}"
        )


@dataclass(frozen=True, slots=True)
class Objections:
    """Takes objections and says which of them name customers."""

    suppressions: Suppressions
    known: KnownCustomers

    def take(self, ids: Sequence[str], *, reason: str, actor: str) -> ObjectionsTaken:
        """Put people on the suppression list and say how many of them are known; call it in a thread."""
        known = self.known.of(ids)
        unknown = [one for one in ids if identifier_key(one) not in known]
        added = self.suppressions.add(ids, reason=reason, actor=actor)
        return ObjectionsTaken(len(ids), added, len(ids) - len(unknown), unknown[:SHOWN], self._hint(unknown))

    def _hint(self, unknown: Sequence[str]) -> str:
        if not unknown:
            return ""
        if zeros := self.known.with_zeros(unknown):
            return f"were leading zeros lost? {zeros[1]} is known, {zeros[0]} is not."
        more = f", and {count(len(unknown) - 5)} more" if len(unknown) > 5 else ""
        return f"check the spelling of {', '.join(unknown[:5])}{more}."

    def ids_of(self, text: str) -> list[str]:
        """The identifiers of a text, one per line.

        Raises:
            PayloadError: a line is none, which is named; then nobody is added.
        """
        ids, faults = read_ids(text)
        if spaced := [one for one in ids if len(one.split()) > 1]:
            known = self.known.of(spaced)
            faults += [
                LineFault(0, "one identifier per line", f'"{one}"; put each on its own line')
                for one in spaced
                if identifier_key(one) not in known
            ]
        if faults:
            raise PayloadError(*map(_field_error, faults[:SHOWN]))
        return ids


def _field_error(fault: LineFault) -> FieldError:
    return FieldError(f"line {fault.line}" if fault.line else "Customer ids", fault.expected, fault.found)


async def sent_texts(data: dict[str, Any], *names: str) -> list[str]:
    """The texts of a form's fields and files; a name may be sent more than once, and no objection may get lost."""
    texts = []
    for part in (one for name in names for one in _listed(data.get(name, ""))):
        text = text_of(await part.read()) if isinstance(part, UploadFile) else str(part)
        if isinstance(text, LineFault):
            raise PayloadError(FieldError("file", text.expected, text.found))
        texts.append(text)
    return texts


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
