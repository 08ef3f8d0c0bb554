"""What is on record about a person, however the person is spelled."""

import pytest

from bank_assets.ledger import campaigns
from bank_assets.ledger.persons import objections, objections_of


@pytest.mark.parametrize(
    ("on_record", "asked"),
    [("Ä-7", "ä-7"), ("Straße-1", "STRASSE-1"), ("K-7", " k-7"), ("'+351-7", "+351-7"), ("+351-7", "'+351-7")],
)
def test_an_objection_is_found_however_its_customer_is_spelled(ledger, on_record, asked):
    campaigns.suppress(ledger, [on_record, "x-1"], reason="letter", actor="ana")
    assert [one.customer_id for one in objections_of(ledger, [asked])] == [on_record]
    assert on_record in [one.customer_id for one in objections(ledger, asked.strip("' ")[:2])]
