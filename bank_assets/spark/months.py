"""What the tables of a month are made from.

What lives here: their fingerprint. What must not: making them (`spark.etl`). Called by the tables stage and by the
loop, which asks for the months that are due.
"""

from pathlib import Path

from bank_assets.sources.manifest import month_digest, month_manifest
from bank_assets.spark.etl import CODE_VERSION
from bank_assets.store.warehouse import fingerprint


def month_mark(warehouse: Path, month: str) -> str:
    """Fingerprint of a month's tables: its deliveries of both kinds and the code.

    Args:
        warehouse: the warehouse folder.
        month: `YYYY-MM`.
    """
    inputs = {kind: month_digest(month_manifest(warehouse, month, kind)) for kind in ("contacts", "outcomes")}
    return fingerprint(inputs=inputs, code_version=CODE_VERSION, settings={})
