"""Tables that several packages need to know about: names, inputs, and which keys are outdated.

A table that only its own asset uses is declared there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
from sqlalchemy import Engine

from bank_assets.contract.contract import Contract
from bank_assets.contract.time_axis import far_months
from bank_assets.ledger import outcomes
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.derivations import Derived, DerivedTable, stale
from bank_assets.store.warehouse import Warehouse

CONTACTS: Final = "contacts"
OUTCOMES: Final = "outcomes"
REJECTED: Final = "rejected_contacts"
GATE: Final = "contacts_validation"
PROFILES: Final = DerivedTable("contact_profiles", "2")
DRIFT_REPORT: Final = DerivedTable("drift_report", "3")
REPORTED_OUTCOMES: Final = DerivedTable("ledger_outcomes", "1")
SCORES: Final = DerivedTable("contact_scores", "2")
STATE: Final = DerivedTable("as_of_state", "1")
BATCH: Final = DerivedTable("batch_scores", "2")


# `rows_digest` of the contract of all homes from before deployments could have their own.
_FIRST_CONTRACT: Final = "8def6fba4d911d60ce157b18bb8b3223e268eed75da1f738e67f7a9c6301c150"


def contract_setting(contract: Contract) -> dict[str, str]:
    """The contract as a setting of a fingerprint.

    It is empty for the first contract: its tables were made before fingerprints named a contract, and stay valid.
    """
    return {} if contract.rows_digest == _FIRST_CONTRACT else {"contract": contract.rows_digest}


def far_from_others(store: Warehouse, contract: Contract) -> frozenset[str]:
    """Months with a few contacts dated far from those of all other months; the gate holds them."""
    return far_months({month: entry.rows for month, entry in store.manifest(CONTACTS).items()}, contract)


def passed_months(store: Warehouse) -> list[str]:
    """Months that passed their validation gate, ascending; a held month is left out until its correction passes."""
    gates = store.manifest(GATE)
    return [
        month
        for month, entry in store.manifest(CONTACTS).items()
        if entry.rows
        and month in gates
        and gates[month].metadata.get("passed")
        and gates[month].metadata.get("contacts_digest") == entry.digest
    ]


def outcomes_by_month(engine: Engine, first: str) -> dict[str, list[dict[str, Any]]]:
    """Outcomes of identified contacts that were reported to the web app, by month of arrival.

    Those that arrived before the first month of the axis, as an earlier release took them, belong to that month. An
    outcome of a call by a list names it; the others, and their months, are as before.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    lists = outcomes.calling_lists(engine)
    for row in outcomes.export(engine):
        if row.contact_id is not None:
            found.setdefault(max(row.arrived_at[:7], first), []).append(
                {
                    "contact_id": row.contact_id,
                    "is_subscribed": row.y == "yes",
                    "duration_seconds": row.duration,
                    "arrived_on": date.fromisoformat(row.arrived_at[:10]),
                    **({"list_id": lists[row.id]} if row.id in lists else {}),
                }
            )
    return found


def reported_outcomes(store: Warehouse, month: str, rows: Sequence[Mapping[str, Any]]) -> Derived:
    """The outcomes reported in a month; `rows` are that month's of `outcomes_by_month`."""
    return REPORTED_OUTCOMES.of(store, month, inputs=[json.dumps(list(rows), sort_keys=True, default=str)])


def scores(
    store: Warehouse, champions: ChampionHistory, months: Sequence[str], lists: Sequence[str] = ()
) -> dict[str, Derived]:
    """The scores of some months, derived from deliveries, champions and lists up to the end of each month.

    A day's score depends only on what came before it, so neither a new month nor a new champion changes earlier scores.
    `lists` are those that weigh outcomes (`ContactStore.lists`), here and below.
    """
    known = {
        "contacts": store.digests(CONTACTS, passed_months(store)),
        "outcomes": store.digests(OUTCOMES),
        "ledger": store.digests(REPORTED_OUTCOMES.name),
    }
    starts = [str(day) for day in champions.starts]
    found = {}
    for month in months:
        begun = sum(start[:7] <= month for start in starts)
        found[month] = SCORES.of(
            store,
            month,
            inputs={
                name: {key: digest for key, digest in digests.items() if key <= month}
                for name, digests in known.items()
            }
            | weighing([name for name in lists if name[: len(month)] <= month]),
            settings={"starts": starts[:begun], "versions": list(champions.versions[:begun])},
        )
    return found


def weighing(lists: Sequence[str]) -> dict[str, Any]:
    """The lists as an input of a fingerprint, which is as before where every outcome weighs 1."""
    return {"lists": list(lists)} if lists else {}


def stale_scores(store: Warehouse, champions: ChampionHistory, lists: Sequence[str] = ()) -> dict[str, Derived]:
    """Outdated scores of months that passed their gate and had a champion, ascending."""
    if not len(champions.starts):
        return {}
    first = str(champions.starts[0])[:7]
    return stale(scores(store, champions, [month for month in passed_months(store) if month >= first], lists))


def state(
    store: Warehouse, champions: ChampionHistory, as_of: np.datetime64, contract: Contract, lists: Sequence[str] = ()
) -> Derived:
    """The as-of state that is published for a day; another contract has other statistics of a list."""
    return STATE.of(
        store,
        inputs={
            "contacts": store.digests(CONTACTS, passed_months(store)),
            "outcomes": store.digests(OUTCOMES),
            "told": store.digests(REPORTED_OUTCOMES.name),
            "scores": store.digests(SCORES.name),
            "champion": champions.current or "",
        }
        | weighing(lists),
        settings={"as_of": str(as_of), **contract_setting(contract)},
    )
