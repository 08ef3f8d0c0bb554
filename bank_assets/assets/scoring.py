"""Stage scoring: the published state, every customer to be called scored, and the ranked list.

Scoring runs over Spark's `mapInArrow` with the one scorer; the list is cut by `core.planner`.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
from pydantic import Field

from bank_assets.assets.materialization import ML_OWNERS, OWNERS, Stopwatch, combined_digest, result, unchanged
from bank_assets.assets.score_marks import EXPORTED
from bank_assets.assets.score_marks import SCORES as CONTACT_SCORES
from bank_assets.assets.tables import passed_months
from bank_assets.core.as_of import AsOfState
from bank_assets.core.calibration import Recalibration, recalibrate
from bank_assets.core.contacts import Contacts
from bank_assets.core.economics import Economics
from bank_assets.ledger import promotions, states
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.spark import SparkResource
from bank_assets.resources.store import RegistryResource, WarehouseResource
from bank_assets.settings import Settings
from bank_assets.sources.campaign_file import latest_campaigns, read_campaign
from bank_assets.spark.scoring import SCORED_SCHEMA, score_campaign
from bank_assets.store.call_lists import CallList, write_call_list
from bank_assets.store.champion_history import Reign
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.warehouse import Warehouse, fingerprint

CODE_VERSION = "1"
STATE, BATCH, LIST = "as_of_state", "batch_scores", "call_list"
MATERIAL_SHIFT = 0.05
"""A recalibration is worth a record when the log-odds move by more (a factor of 1.05 in the odds)."""


@dg.asset(
    name=STATE,
    deps=["contacts", "outcomes", "contacts_validation", CONTACT_SCORES, "champion_model"],
    code_version=CODE_VERSION,
    kinds={"python", "sql"},
    owners=ML_OWNERS,
)
def as_of_state(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """What is known this morning: trailing subscription rates, the typical list of a day, the recalibration.

    Reads: contacts, outcomes, contact_scores. Writes: the state that the web app and batch scoring use.
    Guarantees: only outcomes known by the data's own time; a recalibration that moves the odds is on record.
    """
    watch, store = Stopwatch(), warehouse.open()
    months = passed_months(store)
    as_of = ContactStore(store).learning_as_of(settings.landing, months)
    mark = state_mark(store, Reign.of(ledger.engine), as_of)
    entry = store.entry(STATE, "all")
    if entry is not None and store.is_unchanged(STATE, "all", mark):
        return unchanged(entry, watch, dict(entry.metadata["headline"]))
    contacts = ContactStore(store).read(months)
    visible = contacts.rows(contacts.contact_dates < as_of)
    latest = states.latest(ledger.engine)
    recalibration = _recalibration(store, visible, as_of, _shift_of(states.before(ledger.engine, str(as_of))))
    shift = recalibration.shift_after
    known = visible.rows(visible.known_as_of(as_of))
    base = known.history().state(as_of)
    state = replace(base, log_odds_shift=shift)
    states.publish(ledger.engine, str(as_of), {**state.to_dict(), "recalibration": recalibration.to_dict()})
    previous = _shift_of(latest)
    if abs(shift - previous) > MATERIAL_SHIFT:
        champion = Reign.of(ledger.engine).current
        promotions.record(
            ledger.engine,
            kind="recalibration",
            decision="promoted",
            from_version=champion,
            to_version=champion,
            reasons=[f"log-odds shift {previous:+.3f} to {shift:+.3f} from the outcomes known on {as_of}"],
            evidence={**recalibration.to_dict(), "shift_before": previous},
            actor="pipeline",
            as_of=str(as_of),
        )
    headline = {"as_of": str(as_of), "log_odds_shift": shift, **{k: float(v) for k, v in state.rates.items()}}
    context.log.info("published the state of %s", as_of)
    entry = store.write(STATE, "all", pa.table({"state": [json.dumps(state.to_dict())]}), mark, {"headline": headline})
    return result(entry, watch, headline)


def state_mark(store: Warehouse, reign: Reign, as_of: np.datetime64) -> str:
    """Fingerprint of the published state."""
    return fingerprint(
        inputs={
            "contacts": combined_digest(store, "contacts", passed_months(store)),
            "outcomes": combined_digest(store, "outcomes", sorted(store.manifest("outcomes"))),
            "told": combined_digest(store, EXPORTED, sorted(store.manifest(EXPORTED))),
            "scores": combined_digest(store, CONTACT_SCORES, sorted(store.manifest(CONTACT_SCORES))),
            "champion": reign.current or "",
        },
        code_version=CODE_VERSION,
        settings={"as_of": str(as_of)},
    )


def state_is_current(store: Warehouse, reign: Reign, settings: Settings) -> bool:
    """Whether the published state follows from what is stored now; the loop asks."""
    as_of = ContactStore(store).learning_as_of(settings.landing, passed_months(store))
    return store.is_unchanged(STATE, "all", state_mark(store, reign, as_of))


def _shift_of(published: states.AsOfState | None) -> float:
    return float(published.state.get("log_odds_shift", 0.0)) if published else 0.0


def _recalibration(store: Warehouse, contacts: Contacts, as_of: np.datetime64, shift_before: float) -> Recalibration:
    scored = [month for month, entry in store.manifest(CONTACT_SCORES).items() if entry.rows]
    if not scored:
        return Recalibration(0, shift_before, 0.0, None, None)
    scores = store.read(CONTACT_SCORES, scored)
    position = {contact: row for row, contact in enumerate(scores.column("contact_id").to_pylist())}
    rows = np.asarray([position.get(contact, -1) for contact in contacts.contact_ids], dtype=np.int64)
    mine = rows >= 0
    raw = scores.column("unshifted_proba").to_numpy()[rows[mine]]
    return recalibrate(
        raw, contacts.is_subscribed[mine], contacts.known_on[mine], contacts.contact_dates[mine], as_of, shift_before
    )


class CampaignConfig(dg.Config):
    """Which lists to score."""

    names: list[str] = Field(default_factory=list)
    """File names in landing/campaigns; default all."""


@dg.asset(
    name=BATCH,
    deps=["champion_model", STATE],
    code_version=CODE_VERSION,
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

    Reads: landing/campaigns, the champion's bundle, the as-of state. Writes: `batch_scores`, one key per campaign.
    Guarantees: the same scorer as serving and evaluation; unusable rows are listed with reasons, the others scored.
    Fails when: there is no champion.
    """
    watch, store = Stopwatch(), warehouse.open()
    champion = Reign.of(ledger.engine).current
    state = states.latest(ledger.engine)
    deliveries = latest_campaigns(settings.warehouse, config.names)
    if champion is None or state is None:
        context.log.warning("no champion yet: nothing can be scored")
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": 0,
                "unchanged": False,
                "seconds": watch.seconds,
                "message": "No champion yet; see the refusal in champion_model.",
            }
        )
    economics = Economics(settings.cost_eur, settings.value_eur)
    made, rows, rejected = 0, 0, 0
    for delivery in deliveries:
        name = delivery.name.removesuffix(".csv")
        mark = fingerprint(
            inputs=[delivery.sha256, champion, state.digest], code_version=CODE_VERSION, settings=economics.to_dict()
        )
        if not store.is_unchanged(BATCH, name, mark):
            campaign = read_campaign(settings.warehouse, delivery)
            table = score_campaign(
                spark.session,
                campaign,
                registry.open().bundle(champion),
                champion,
                AsOfState.from_dict(state.state),
                economics,
            )
            store.write(
                BATCH,
                name,
                table,
                mark,
                {
                    "champion": champion,
                    "sha256": delivery.sha256,
                    "rejected": list(campaign.rejected),
                    "n_rejected": campaign.n_rejected,
                    "delivered": delivery.rows,
                    "as_of": state.as_of,
                },
            )
            made += 1
        entry = store.entry(BATCH, name)
        assert entry is not None
        rows, rejected = rows + entry.rows, rejected + int(entry.metadata["n_rejected"])
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "rejected": rejected,
            "campaigns": [d.name for d in deliveries],
            "model_version": champion,
            "unchanged": made == 0,
            "seconds": watch.seconds,
        }
    )


@dg.asset(
    name=LIST,
    deps=[BATCH],
    code_version=CODE_VERSION,
    kinds={"parquet", "csv"},
    owners=OWNERS,
    tags={"bank/pii": "yes"},
)
def call_list(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Whom to call, ranked by expected profit and cut by budget; earlier lists are kept.

    Reads: batch_scores, suppressions. Writes: `call_list` and reports/call_lists/*.csv.
    Guarantees: nobody on the suppression list is on it; only calls with a positive expected profit are.
    """
    watch, store = Stopwatch(), warehouse.open()
    economics = Economics(settings.cost_eur, settings.value_eur)
    totals: dict[str, Any] = {"rows": 0, "expected_profit_eur": 0.0}
    made, names = 0, []
    for name, scored in store.manifest(BATCH).items():
        suppressed = CallList.suppressed_ids(ledger.engine)
        mark = fingerprint(
            inputs=[scored.digest, sorted(suppressed)],
            code_version=CODE_VERSION,
            settings={**economics.to_dict(), "budget_eur": settings.budget_eur},
        )
        if not store.is_unchanged(LIST, name, mark):
            ranked = CallList.of(store.read(BATCH, [name]), economics, settings.budget_eur, suppressed, list_id=name)
            path = write_call_list(ranked, Path(settings.reports / "call_lists"), scored.metadata["champion"], mark)
            store.write(LIST, name, ranked.table, mark, {**ranked.summary, "csv": str(path.name)})
            made += 1
        entry = store.entry(LIST, name)
        assert entry is not None
        names.append(name)
        totals["rows"] += entry.rows
        totals["expected_profit_eur"] += float(entry.metadata["expected_profit_eur"])
    context.log.info("%d lists, %d calls", len(names), totals["rows"])
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": totals["rows"],
            "expected_profit_eur": totals["expected_profit_eur"],
            "lists": names,
            "unchanged": made == 0,
            "seconds": watch.seconds,
            "dagster/column_schema": dg.TableSchema([dg.TableColumn(f.name, str(f.type)) for f in SCORED_SCHEMA]),
        }
    )
