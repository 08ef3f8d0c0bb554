"""The events of a ledger, as tests look at them."""

from bank_assets.ledger import events


def events_of(ledger, subject):
    """Every event about a subject, oldest first."""
    with ledger.connect() as connection:
        return events.about(connection, [subject], "")
