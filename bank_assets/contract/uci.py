"""The UCI contract as a value, for the file's own source and its simulator."""

from __future__ import annotations

from typing import Final

from bank_assets.contract.file import DEFAULT, load_contract

UCI: Final = load_contract(DEFAULT)
MONTHS: Final = UCI.by_source["month"].categories

# Header of the UCI file, in its order: it has neither ids nor dates, and no column that was added later.
UCI_FILE_COLUMNS: Final = tuple(
    name
    for name in UCI.delivery_columns
    if name not in (UCI.contact_id.source, UCI.contact_date.source, *UCI.optional_columns)
)
