"""Which day training leaves out, by the contacts and by what a landing held back."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.warehouse import Warehouse


@pytest.mark.parametrize(
    ("held_back_from", "first_left_out"),
    [(None, "2010-11-18"), ("2010-10-17", "2010-10-17"), ("2010-10-16", "2010-11-18")],
)
def test_learning_ends_with_the_contacts_or_where_days_are_held_back(tmp_path, held_back_from, first_left_out):
    warehouse = Warehouse(tmp_path / "warehouse")
    warehouse.write("contacts", "2010-11", pa.table({"contact_date": [date(2010, 11, 17)]}), "made")
    day = None if held_back_from is None else np.datetime64(held_back_from, "D")
    assert ContactStore(warehouse, UCI).learning_as_of(["2010-11"], day) == np.datetime64(first_left_out)
