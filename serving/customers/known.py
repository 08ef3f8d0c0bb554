"""Which identifiers name customers that this platform knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Engine

from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import encoding_of, read_rows
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.values import identifier_key
from bank_assets.ledger.persons import known_keys
from bank_assets.store.campaign_files import CampaignFile, CampaignFiles
from serving.web.remembered import Remembered

FILES: Final = 20  # newest lists that are looked at
TRIED: Final = 100  # identifiers that are tried with leading zeros


class KnownCustomers:
    """Customers and contacts of decisions, lists and feeds on record, and of the lists that are offered."""

    def __init__(self, engine: Engine, files: CampaignFiles, contract: Contract) -> None:
        self._engine, self._files, self._contract = engine, files, contract
        self._keys: Remembered[frozenset[str]] = Remembered(FILES)

    def of(self, ids: Iterable[str]) -> set[str]:
        """Those of some identifiers that are known, as `identifier_key`; call it in a thread."""
        wanted = {identifier_key(one): one for one in ids}
        found: set[str] = set()
        for file in self._files.all()[:FILES]:
            found |= self._keys.get((file.key, file.stamp), partial(self._read, file)) & wanted.keys()
        return found | known_keys(self._engine, (one for key, one in wanted.items() if key not in found))

    def with_zeros(self, unknown: Sequence[str]) -> tuple[str, str] | None:
        """An identifier that is known once leading zeros are added, before and after; None if there is none."""
        padded = {
            one.zfill(width): one for one in unknown[:TRIED] if one.isdigit() for width in range(len(one) + 1, 21)
        }
        known = self.of(padded)
        return next(((one, longer) for longer, one in padded.items() if longer in known), None)

    def _read(self, file: CampaignFile) -> frozenset[str]:
        """The identifiers of a list; none if it cannot be read, which planning it says."""
        sources = {column.source for column in self._contract.identifiers.values()}
        try:
            with file.path.open("rb") as stream:
                head, rows = read_rows(stream, encoding_of(stream, self._contract.encoding))
                names = SentText.of_file(self._contract, file.name).header(head.columns)
                places = [at for at, name in enumerate(names) if name in sources]
                return frozenset(identifier_key(row.fields[at]) for row in rows if not row.fault for at in places)
        except (OSError, ValueError):
            return frozenset()
