"""Whether the landing folder is missing or unreadable.

`pathlib` lists an unreadable folder as empty, and an empty landing folder is normal, so a lost mount would go
unnoticed.
"""

from __future__ import annotations

import os
from pathlib import Path

from bank_assets.landing.header import KINDS


class LandingError(OSError):
    """The landing folder cannot be read; the message says which part and what to do."""


def landing_is_missing(landing: Path) -> bool:
    """Whether there is no landing folder; raise `LandingError` if it or a folder in it exists and cannot be listed."""
    if not landing.exists():
        return True
    for folder in (landing, *(landing / kind for kind in KINDS)):
        if folder.exists() or folder.is_symlink():
            try:
                with os.scandir(folder) as entries:
                    next(entries, None)
            except OSError as error:
                raise LandingError(
                    f"{folder}: expected a folder that this process may list, found {error.strerror or error}; "
                    "mount it again or give the right to read it. Deliveries wait there until then."
                ) from error
    return False
