"""Whether the landing folder can be looked into at all.

What lives here: telling a missing folder from an unreadable one. What must not: reading deliveries (`deliveries`).
Called by the asset `raw_contacts` and by the loop. `pathlib` lists a folder that it may not read as an empty one, and
an empty landing folder is the most ordinary thing there is: a lost mount would go unnoticed.
"""

from __future__ import annotations

import os
from pathlib import Path

from bank_assets.landing.header import KINDS


class LandingError(OSError):
    """The landing folder cannot be read; the message says which part and what to do."""


def landing_is_missing(landing: Path) -> bool:
    """Whether nothing could have been delivered, because there is no landing folder.

    Args:
        landing: the landing folder.

    Raises:
        LandingError: it or a folder in it is there and cannot be listed.
    """
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
