"""The bytes of deliveries: `raw/objects/` in the lake, one object per content.

If the lake is not in the home, the home keeps the bytes of call lists too: the web app shows them, and may have no
way to the lake.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from bank_assets.landing.register import Delivery, object_path
from bank_assets.store.atomic_files import publish_if_changed, replacing
from bank_assets.store.campaign_files import FOLDER
from bank_assets.store.places import BucketPath, Place, place_of, put

_CHUNK_BYTES: Final = 8 << 20


def in_lake(lake: str | Place, deliveries: Iterable[Delivery]) -> tuple[Delivery, ...]:
    """Deliveries with the place of their bytes in a lake."""
    root = place_of(lake)
    return tuple(replace(one, path=object_path(root, one.sha256)) for one in deliveries)


@dataclass(frozen=True, slots=True)
class RawObjects:
    """Where new bytes go."""

    warehouse: Path
    lake: Place

    def keep(self, copy: BinaryIO, temporary: Path, delivery: Delivery) -> Delivery:
        """Store the content of a temporary file of the home under its digest; a known content is left as it is."""
        at_home = object_path(self.warehouse, delivery.sha256)
        target = object_path(self.lake, delivery.sha256)
        copy.flush()
        if target != at_home:
            self._copy(temporary, target, delivery)
        if target == at_home or delivery.kind == FOLDER:
            at_home.parent.mkdir(parents=True, exist_ok=True)
            publish_if_changed(copy, temporary, at_home)
        return replace(delivery, path=target)

    def _copy(self, source: Path, target: Place, delivery: Delivery) -> None:
        if target.is_file() and target.stat().st_size == delivery.size_bytes:
            return
        if isinstance(target, BucketPath):
            put(source, target)
        else:
            with source.open("rb") as content, replacing(target) as stream:
                shutil.copyfileobj(content, stream, _CHUNK_BYTES)
