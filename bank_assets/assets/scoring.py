"""Stage scoring: the published as-of state, the scores of every campaign and the ranked call lists.

Spark scores with the same scorer as serving; `core.economics.planner` selects whom to call.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
from pydantic import Field
from sqlalchemy import Engine

from bank_assets.assets.call_plans import called_rows, plan_of, scores_of, totals_of
from bank_assets.assets.materialization import ML_OWNERS, OWNERS, Stopwatch, column_schema, derive, identity
from bank_assets.core.economics.suppression import SuppressionList
from bank_assets.core.features.as_of import AsOfState
from bank_assets.core.features.contacts import Contacts
from bank_assets.core.model.calibration import Recalibration, recalibrate
from bank_assets.core.model.scorer import digest_files
from bank_assets.landing.campaign_file import latest_campaigns, read_campaign
from bank_assets.ledger import campaigns, promotions, states
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.spark import SparkResource
from bank_assets.resources.store import RegistryResource, WarehouseResource
from bank_assets.settings import Settings
from bank_assets.spark.scoring import SCORED_SCHEMA, score_campaign
from bank_assets.store import lineage
from bank_assets.store.call_lists import CallListFiles, csv_of
from bank_assets.store.campaign_files import campaign_of
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_store import ContactStore, scored_months, stored_scores
from bank_assets.store.derivations import DerivedTable, Made, stale
from bank_assets.store.lineage import BATCH, SCORES, STATE, passed_months
from bank_assets.store.warehouse import Entry, Warehouse

LIST = DerivedTable("call_list", "2")
MATERIAL_SHIFT = 0.05
"""A recalibration is recorded if it moves the log-odds by more than this (a factor of 1.05 in the odds)."""


@dg.asset(
    **identity(STATE),
    deps=["contacts", "outcomes", "contacts_validation", SCORES.name, "champion_model"],
    kinds={"python", "sql"},
    owners=ML_OWNERS,
)
def as_of_state(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """What is known on this day: trailing subscription rates, the typical list of a day, the recalibration.

    Reads: contacts, outcomes, contact_scores. Writes: the state that the web app and batch scoring use.
    Guarantees: only outcomes known by the data's own time; a recalibration that moves the odds is recorded.
    """
    store, champions = warehouse.open(), ChampionHistory.of(ledger.engine)
    months = passed_months(store)
    as_of = ContactStore(store, settings.contract).learning_as_of(settings.landing, months)

    def work() -> Made:
        contacts = ContactStore(store, settings.contract).read(months)
        visible = contacts.rows(contacts.contact_dates < as_of)
        shift_before = _shift_of(states.latest(ledger.engine, before=str(as_of)))
        recalibration = _recalibration(store, visible, as_of, shift_before)
        known = visible.rows(visible.known_as_of(as_of))
        state = replace(known.history().state(as_of), log_odds_shift=recalibration.shift_after)
        publish(ledger.engine, state, recalibration, champions.current)
        context.log.info("published the state of %s", as_of)
        rates = {name: float(rate) for name, rate in state.rates.items()}
        headline = {"as_of": str(as_of), "log_odds_shift": state.log_odds_shift, **rates}
        return Made(pa.table({"state": [json.dumps(state.to_dict())]}), {"headline": headline})

    return derive(lineage.state(store, champions, as_of), work)


def publish(engine: Engine, state: AsOfState, recalibration: Recalibration, champion: str | None) -> None:
    """Publish a state, and record the recalibration if it moved the odds."""
    as_of, previous = str(state.as_of), _shift_of(states.latest(engine))
    states.publish(engine, as_of, {**state.to_dict(), "recalibration": asdict(recalibration)})
    if abs(state.log_odds_shift - previous) > MATERIAL_SHIFT:
        moved = f"log-odds shift {previous:+.3f} to {state.log_odds_shift:+.3f}"
        promotions.record(
            engine,
            kind="recalibration",
            decision="promoted",
            from_version=champion,
            to_version=champion,
            reasons=[f"{moved} from the outcomes known on {as_of}"],
            evidence={**asdict(recalibration), "shift_before": previous},
            actor="pipeline",
            as_of=as_of,
        )


def _shift_of(published: states.RecordedState | None) -> float:
    return float(published.state.get("log_odds_shift", 0.0)) if published else 0.0


def _recalibration(store: Warehouse, contacts: Contacts, as_of: np.datetime64, shift_before: float) -> Recalibration:
    if not scored_months(store):
        return Recalibration(0, shift_before, 0.0, None, None)
    raw = stored_scores(store, contacts.contact_ids, "unshifted_proba")
    return recalibrate(contacts.scored(raw), as_of, shift_before)


class CampaignConfig(dg.Config):
    """Which lists to score."""

    names: list[str] = Field(default_factory=list)
    """File names in landing/campaigns; empty for all."""


@dg.asset(
    **identity(BATCH),
    deps=["champion_model", STATE.name],
    kinds={"parquet", "spark"},
    owners=OWNERS,
    tags={"bank/pii": "yes"},
    pool="spark",
)
def batch_scores(
    context: dg.AssetExecutionContext,
    config: CampaignConfig,
    spark: SparkResource,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    registry: RegistryResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Every customer of every campaign file scored by the champion.

    Reads: landing/campaigns, the champion's bundle, the as-of state, suppressions. Writes: `batch_scores`, one key per
    campaign.
    Guarantees: the same scorer as serving and evaluation; a suppressed customer is `do_not_call`; unusable rows are
    listed with reasons, the others scored.
    Fails when: there is no champion.
    """
    watch, store = Stopwatch(), warehouse.open()
    champion, state = ChampionHistory.of(ledger.engine).current, states.latest(ledger.engine)
    if champion is None or state is None:
        context.log.warning("no champion yet: nothing can be scored")
        message = "No champion yet; see the refusal in champion_model."
        return _lists_result([], {"message": message}, made=0, watch=watch)
    economics = settings.calling
    deliveries = latest_campaigns(settings.warehouse, config.names)
    suppression = SuppressionList.of(campaigns.suppressed(ledger.engine))
    wanted = {
        delivery.name: BATCH.of(
            store,
            campaign_of(delivery.name),
            inputs=[delivery.sha256, champion, state.digest, suppression.digest],
            settings=economics.to_dict(),
        )
        for delivery in deliveries
    }
    due = stale(wanted)
    for delivery in (delivery for delivery in deliveries if delivery.name in due):
        bundle = registry.open().bundle(champion)
        campaign = read_campaign(delivery, settings.contract)
        called_by = economics.for_model(json.loads(bundle["decision.json"]))
        known = (AsOfState.from_dict(state.state), called_by, suppression)
        rows = score_campaign(spark.session, campaign, bundle, champion, *known)
        facts = {
            "sha256": delivery.sha256,
            "rejected": list(campaign.rejected),
            "n_rejected": campaign.n_rejected,
            "delivered": delivery.rows,
            "as_of": state.as_of,
            "champion": champion,
            "digest": digest_files(bundle),
            "calls_from": called_by.calls_from,
        }
        due[delivery.name].commit(rows, facts)
    entries = [derived.entry for derived in wanted.values()]
    rejected = sum(int(entry.metadata["n_rejected"]) for entry in entries)
    shown = {"rejected": rejected, "campaigns": list(wanted), "model_version": champion}
    return _lists_result(entries, shown, made=len(due), watch=watch)


def _lists_result(
    entries: Collection[Entry], metadata: Mapping[str, Any], *, made: int, watch: Stopwatch
) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(entry.rows for entry in entries),
            "unchanged": made == 0 and "message" not in metadata,
            "seconds": watch.seconds,
            **metadata,
        }
    )


@dg.asset(**identity(LIST), deps=[BATCH.name], kinds={"parquet", "csv"}, owners=OWNERS, tags={"bank/pii": "yes"})
def call_list(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Whom to call, ranked by expected profit and cut by budget; earlier lists are kept.

    Reads: batch_scores, suppressions. Writes: `call_list` and reports/call_lists/*.csv.
    Guarantees: suppressed customers are never listed; a listed call is expected to pay or, under `BANK_THRESHOLD=f1`,
    reaches the threshold of the best F1.
    """
    watch, store = Stopwatch(), warehouse.open()
    economics = settings.calling
    suppressed, files = campaigns.suppressed(ledger.engine), CallListFiles(settings.reports / "call_lists")
    entries, made = {}, 0
    for name, scored in store.manifest(BATCH.name).items():
        derived = LIST.of(
            store,
            name,
            inputs=[scored.digest, sorted(suppressed)],
            settings={**economics.to_dict(), "budget_eur": settings.budget_eur},
        )
        if not derived.is_current:
            rows = store.read(BATCH.name, [name])
            called_by = replace(economics, calls_from=scored.metadata.get("calls_from"))
            plan = plan_of(rows, called_by, settings.contract, settings.budget_eur, suppressed, list_id=name)
            file = f"call-list-v{scored.metadata['champion']}-{derived.fingerprint[:12]}.csv"
            files.write(file, csv_of(plan, scores_of(rows, scored.metadata), name))
            derived.commit(called_rows(rows, plan), {**totals_of(plan, called_by), "csv": file})
            made += 1
        entries[name] = derived.entry
    profit = sum(float(entry.metadata["expected_profit_eur"]) for entry in entries.values())
    context.log.info("%d lists, expected profit %.0f EUR", len(entries), profit)
    shown = {
        "expected_profit_eur": profit,
        "lists": list(entries),
        "dagster/column_schema": column_schema(SCORED_SCHEMA),
    }
    return _lists_result(entries.values(), shown, made=made, watch=watch)
