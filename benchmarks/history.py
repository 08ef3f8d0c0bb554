"""The real history as contacts in memory; imported by benchmarks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from bank_assets.contract.uci import UCI
from bank_assets.core.features.contacts import Contacts, frame_from_deliveries
from bank_assets.sources.uci import is_pinned
from bank_assets.sources.undated import implied_dates


def real_contacts() -> Contacts:
    """Contacts of the pinned UCI file that BANK_SOURCE names; ends the process with a message if it names another."""
    path = Path(os.environ.get("BANK_SOURCE", ""))
    if not path.is_file() or not is_pinned(path):
        raise SystemExit("BANK_SOURCE: expected the path of the UCI file bank-full.csv; set it and run again.")
    table = pd.read_csv(path, sep=";")
    days = np.asarray(implied_dates(UCI, table), dtype="datetime64[D]")
    frame = frame_from_deliveries(
        {name: table[name].to_numpy() for name in table.columns if name not in ("y", "duration")}, UCI
    )
    ids = np.arange(1, len(table) + 1).astype(str)
    return Contacts(ids, frame, days, days + np.timedelta64(1, "D"), (table["y"] == "yes").to_numpy(), UCI)
