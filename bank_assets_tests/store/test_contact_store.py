"""Which day training leaves out, by the contacts and by the open example campaign."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.store.campaign_files import example_path
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.warehouse import Warehouse


@pytest.mark.parametrize(
    ("campaign", "first_left_out"),
    [
        (None, "2010-11-18"),
        ("contact_id;contact_date\nc-1;2010-11-03\nc-2;2010-11-01\n", "2010-11-01"),
        ("contact_id,contact_date\nc-1,2010-09-01\n", "2010-11-18"),  # closed long ago
        ('contact_id;contact_date\n"c-1;2010-11-02\nc-2;03.11.2010\nc-3;2010-11-04\n', "2010-11-04"),
        ("contact_id;contact_date\nc-1;soon\n", "2010-11-18"),
        ("something;else\n1;2\n", "2010-11-18"),
    ],
)
def test_training_leaves_out_the_open_campaign_whatever_else_is_in_its_file(tmp_path, campaign, first_left_out):
    warehouse = Warehouse(tmp_path / "warehouse")
    warehouse.write("contacts", "2010-11", pa.table({"contact_date": [date(2010, 11, 17)]}), "made")
    if campaign is not None:
        path = example_path(tmp_path / "landing")
        path.parent.mkdir(parents=True)
        path.write_text(campaign)
    found = ContactStore(warehouse, UCI).learning_as_of(tmp_path / "landing", ["2010-11"])
    assert found == np.datetime64(first_left_out)
