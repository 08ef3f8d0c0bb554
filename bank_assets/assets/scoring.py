"""Stage scoring: the published as-of state, the scores of every campaign and the ranked call lists.

Spark scores with the same scorer as serving; `core.economics.planner` selects whom to call.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import dagster as dg
import pyarrow as pa
from pydantic import Field
from sqlalchemy import Engine

from bank_assets.assets.list_plan import (
    LISTED_SCHEMA,
    called_rows,
    exploring_each_day,
    plan_of,
    planned_calls,
    scored_rows,
    scores_of,
    totals_of,
)
from bank_assets.assets.list_record import PlannedList, instead_of, is_open, keep, open_lists
from bank_assets.assets.list_stage import facts_of_reading, readable_list, staged_list
from bank_assets.assets.materialization import (
    ML_OWNERS,
    OWNERS,
    Wanted,
    column_schema,
    derive,
    derive_keys,
    identity,
    reported,
)
from bank_assets.contract.file import contract_on_record
from bank_assets.core.economics.contact_policy import NO_POLICY
from bank_assets.core.economics.planner import CallLimits, PlanSettings
from bank_assets.core.economics.suppression import SuppressionList
from bank_assets.core.features.as_of import AsOfState, OutcomeHistory, typical_days
from bank_assets.core.features.feature_set import named_plans
from bank_assets.core.model.calibration import Recalibration, recalibrate
from bank_assets.core.model.scorer import digest_files
from bank_assets.landing.campaign_file import is_due, latest_campaigns
from bank_assets.ledger import campaigns, promotions, states
from bank_assets.ledger.contact_history import feeds_seq
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.spark import SparkResource
from bank_assets.revision import git_revision
from bank_assets.settings import Settings
from bank_assets.sources.source import open_from
from bank_assets.spark.scoring import SCORED_SCHEMA, Scoring, plans_of, score_campaign
from bank_assets.spark.workers import Workers
from bank_assets.store import lineage
from bank_assets.store.call_lists import FOLDER as CALL_LISTS
from bank_assets.store.call_lists import CallListFiles
from bank_assets.store.campaign_files import plain_name
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_history import ListInQuestion, history_of
from bank_assets.store.contact_store import ContactStore, learning_as_of, scored_months
from bank_assets.store.decision_records import facts_of_list, facts_of_model
from bank_assets.store.derivations import DerivedTable, Made
from bank_assets.store.lineage import BATCH, SCORES, STATE, passed_months
from bank_assets.store.list_designs import ListDesigns
from bank_assets.store.list_exports import refresh
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Entry, Warehouse

LIST = DerivedTable("call_list", "3")
# A recalibration is recorded if it moves the log-odds by more than this (a factor of 1.05 in the odds).
MATERIAL_SHIFT = 0.05


@dg.asset(
    **identity(STATE),
    deps=["contacts", "outcomes", "contacts_validation", SCORES.name, "champion_model"],
    kinds={"python", "sql"},
    owners=ML_OWNERS,
)
def as_of_state(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    ledger: LedgerResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """What is known on this day: trailing subscription rates, the typical list of a day, the recalibration.

    Reads: contacts, outcomes, contact_scores. Writes: the state that the web app and batch scoring use.
    Guarantees: only outcomes known by the data's own time; a recalibration that moves the odds is recorded.
    """
    champions, months = ChampionHistory.of(ledger.engine), passed_months(warehouse)
    stored = ContactStore(warehouse, settings.contract, settings.feedback)
    days = stored.days(months)
    as_of = learning_as_of(days, open_from(settings.landing))

    def work() -> Made:
        scored = stored.evidence(months, "unshifted_proba", as_of).scored
        visible = scored.rows(scored.contact_dates < as_of)
        shift_before = _shift_of(states.latest(ledger.engine, before=str(as_of)))
        recalibration = (
            recalibrate(visible, as_of, shift_before)
            if scored_months(warehouse)
            else Recalibration(0, shift_before, 0.0, None, None)
        )
        history = OutcomeHistory(*stored.plans(months, typical_days(days, as_of)), settings.contract)
        history.learn(visible)
        state = replace(history.state(as_of), log_odds_shift=recalibration.shift_after)
        publish(ledger.engine, state, recalibration, champions.current)
        context.log.info("published the state of %s", as_of)
        rates = {name: float(rate) for name, rate in state.rates.items()}
        headline = {"as_of": str(as_of), "log_odds_shift": state.log_odds_shift, **rates}
        return Made(pa.table({"state": [json.dumps(state.to_dict())]}), {"headline": headline})

    return derive(lineage.state(warehouse, champions, as_of, settings.contract, stored.lists(months)), work)


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


class CampaignConfig(dg.Config):
    """Which lists to score."""

    # File names in landing/campaigns; empty for all.
    names: list[str] = Field(default_factory=list)


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
    warehouse: dg.ResourceParam[Warehouse],
    ledger: LedgerResource,
    registry: dg.ResourceParam[Registry],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Every customer of every campaign file scored by the champion.

    Reads: landing/campaigns, the champion's bundle, the as-of state, suppressions. Writes: `batch_scores`, one key per
    campaign.
    Guarantees: the same scorer as serving and evaluation; a suppressed customer is `do_not_call`; unusable rows are
    listed with reasons, the others scored. A list is scored once, and again while its days are open.
    Fails when: there is no champion.
    """
    champion, state = ChampionHistory.of(ledger.engine).current, states.latest(ledger.engine)
    if champion is None or state is None:
        context.log.warning("no champion yet: nothing can be scored")
        message = "No champion yet; see the refusal in champion_model."
        return dg.MaterializeResult(metadata=reported(time.monotonic(), 0, is_unchanged=False, message=message))
    scored = {name: entry.metadata.get("sha256") for name, entry in warehouse.manifest(BATCH.name).items()}
    deliveries = {
        name: one
        for name, one in latest_campaigns(settings.warehouse).items()
        if (not config.names or one.name in config.names) and is_due(one, state.as_of, one.sha256, scored.get(name))
    }
    suppression, economics = SuppressionList.of(campaigns.suppressed(ledger.engine)), settings.calling
    inputs = [champion, state.digest, suppression.digest]

    def make(due: Wanted) -> None:
        bundle = registry.bundle(champion)
        decision, digest = json.loads(bundle["decision.json"]), digest_files(bundle)
        called_by, known = economics.for_model(decision), AsOfState.from_dict(state.state)
        run_id, code = decision["training"].get("mlflow_run_id"), git_revision(settings.revision)
        of_model = facts_of_model(champion, digest, decision, run_id, settings.contract, code)
        contract = contract_on_record(decision.get("contract"))
        scoring = Scoring(bundle, champion, contract, known, called_by, suppression)
        facts = {"as_of": state.as_of, "champion": champion, "digest": digest, "calls_from": called_by.calls_from}
        workers = Workers(lambda: spark.spark_session)
        for name, derived in due.items():
            with staged_list(warehouse, name) as staged:
                read = readable_list(context, workers, deliveries[name], settings.contract, staged.scratch)
                made_from = {**facts_of_reading(deliveries[name], read), **facts}
                if not len(read):
                    warehouse.discard(BATCH.name, staged.snapshot)
                    derived.commit(SCORED_SCHEMA.empty_table(), made_from)
                    continue
                plans = plans_of(read, contract)
                recorded = facts_of_list(of_model, decision, known, named_plans(plans, contract))
                files = score_campaign(workers, read, scoring, plans, staged.scratch, staged.folder)
                derived.commit_files(*staged.names(files), {**made_from, "recorded": recorded})

    wanted = {
        name: BATCH.of(warehouse, name, inputs=[one.sha256, *inputs], settings=economics.to_dict())
        for name, one in deliveries.items()
    }
    return derive_keys(wanted, make, lambda stored, _: _headline(stored, champion))[1]


def _headline(stored: Mapping[str, Entry], champion: str) -> dict[str, Any]:
    rejected = sum(int(entry.metadata["n_rejected"]) for entry in stored.values())
    return {"rejected": rejected, "campaigns": list(stored), "model_version": champion}


@dg.asset(**identity(LIST), deps=[BATCH.name], kinds={"parquet", "csv"}, owners=OWNERS, tags={"bank/pii": "yes"})
def call_list(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    ledger: LedgerResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """Whom to call, ranked by expected profit and cut by budget, and whom to explore; earlier lists are kept.

    Reads: batch_scores, suppressions. Writes: `call_list` and reports/call_lists/*.csv.
    Guarantees: suppressed customers are never listed; a listed call is expected to pay, or reaches the threshold of
    the best F1 under `BANK_THRESHOLD=f1`, or was drawn within the learning budget; each has its propensity. A list
    whose days are over, whose first call is reported, or that ended keeps its last call list. The CSV files of open
    lists leave out who must not be called any more; the file of a list that ended lies there no longer.
    """
    suppressed = campaigns.suppressed(ledger.engine)
    under = PlanSettings(settings.calling, CallLimits(settings.budget_eur), suppression=SuppressionList.of(suppressed))
    under = replace(under, learning=settings.learning, policy=settings.contact_policy)
    files, designs = CallListFiles(settings.reports / CALL_LISTS), ListDesigns(warehouse.home, settings.feedback)
    scored, published = warehouse.manifest(BATCH.name), states.latest(ledger.engine)
    as_of, delivered = published.as_of if published else "", latest_campaigns(settings.warehouse)
    listed = {name: entry.metadata.get("scores") for name, entry in warehouse.manifest(LIST.name).items()}

    def make(due: Wanted) -> None:
        for name, derived in due.items():
            facts, rows = scored[name].metadata, scored_rows(warehouse, name)
            economics = replace(settings.calling, calls_from=facts.get("calls_from"))
            now = exploring_each_day(rows, replace(under, economics=economics))
            about = ListInQuestion(name, instead_of=instead_of(ledger.engine, name))
            now = replace(now, history=history_of(ledger.engine, under.policy, *planned_calls(rows), about))
            plan = plan_of(rows, now, settings.contract, name)
            digest = hashlib.sha256(f"{name} {derived.fingerprint}".encode()).hexdigest()[:12]
            file = f"call-list-{plain_name(name)}-v{facts['champion']}-{digest}.csv"
            shown = scores_of(rows, facts, settings.contact_policy.hours)
            listed = PlannedList(name, file, plan, shown, now, facts)
            with listed.payload(settings.warehouse, settings.contract) as payload:
                if payload is None:
                    context.log.warning("list %s: from scores of an earlier release or contract, not on record", name)
                made = {"scores": scored[name].digest, **keep(ledger.engine, files, listed, payload, settings.contract)}
            designs.keep(plan, shown, made.get("list_id", ""))
            derived.commit(called_rows(rows, plan), {**totals_of(plan, now), **made})

    def shown(stored: Mapping[str, Entry], _made: Wanted) -> dict[str, Any]:
        profit = sum(float(entry.metadata["expected_profit_eur"]) for entry in stored.values())
        context.log.info("%d lists, expected profit %.0f EUR", len(stored), profit)
        return {"expected_profit_eur": profit, "lists": list(stored), **column_schema(LISTED_SCHEMA)}

    news = [seq] if (seq := feeds_seq(ledger.engine)) is not None else []
    wanted = {
        name: LIST.of(warehouse, name, inputs=[entry.digest, sorted(suppressed), *news], settings=_rules(settings))
        for name, entry in scored.items()
        if is_due(delivered.get(name), as_of, entry.digest, listed.get(name))
        and is_open(ledger.engine, name, entry.metadata.get("sha256", ""))
    }
    result = derive_keys(wanted, make, shown)[1]
    refresh(ledger.engine, under.policy, under.suppression, files, open_lists(ledger.engine, scored, as_of))
    return result


def _rules(settings: Settings) -> dict[str, Any]:
    """What a list is made under. Lists of earlier releases had no contact policy, and are not made again for it."""
    rules = {**settings.calling.to_dict(), "budget_eur": settings.budget_eur, "learning": asdict(settings.learning)}
    is_declared = settings.contact_policy != NO_POLICY
    return {**rules, "contact_policy": settings.contact_policy.to_dict()} if is_declared else rules
