"""Contracts beside the default one: with one optional column more, and with the persons behind the contacts."""

from dataclasses import replace

from bank_assets.contract.columns import Column, ColumnKind, ColumnRole, KnownWhen
from bank_assets.contract.contract import Contract
from bank_assets.contract.uci import UCI

TENURE = Column(
    "tenure",
    "tenure_years",
    ColumnKind.INTEGER,
    KnownWhen.PRE_CONTACT,
    "Years as a customer.",
    unit="years",
    minimum=0,
    maximum=100,
    default=0,
    since=2,
)


def with_column(column: Column, contract: Contract = UCI, *, version: int = 2) -> Contract:
    """A contract with one column more, in front of the outcome."""
    return replace(contract, version=version, columns=(*contract.columns[:-1], column, contract.columns[-1]))


WIDER = with_column(TENURE)
PERSONS = with_column(
    Column("Kunde", "customer", ColumnKind.STRING, KnownWhen.IDENTIFIER, "The person.", role=ColumnRole.CUSTOMER_ID)
)
