"""Stage evaluation: one challenger from all candidates, and the champion's scores on the same rows.

`core.training.challenger` chooses and fits; the bundle is tested with the scorer that production uses.
"""

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial

import dagster as dg
import numpy as np
import pyarrow as pa

from bank_assets.assets.materialization import ML_OWNERS, derive, identity
from bank_assets.assets.model_bundle import OutOfTime, assemble_bundle, out_of_time, profile_of
from bank_assets.assets.snapshot import TrainingSnapshot, read_snapshot
from bank_assets.contract.names import ALIAS_CHALLENGER
from bank_assets.core.arrays import FloatArray, rows_at
from bank_assets.core.economics.economics import COST_COLUMN, VALUE_COLUMN
from bank_assets.core.model.scorer import Scorer, apply_calibrator
from bank_assets.core.promotion.gates import (
    FIRST,
    LIMITS,
    PROBATION,
    GateVerdict,
    first_model_gate,
    kind_of_fit,
)
from bank_assets.core.promotion.refit_guard import AgainstChampion, against_champion
from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.core.training.challenger import choose_recipe, cohort_of, fit_deployment, pooled_rows
from bank_assets.core.training.folds import candidate_metrics, predict_folds, resampled_fold, time_folds
from bank_assets.core.training.recipes import Recipe
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.store import RegistryResource, WarehouseResource
from bank_assets.resources.tracking import Tracking, TrackingResource
from bank_assets.settings import Settings
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.derivations import ALL, DerivedTable, Made
from bank_assets.store.registration import register
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Entry, Warehouse

CHALLENGER, CHAMPION_SCORES = DerivedTable("challenger", "5"), DerivedTable("champion_scores", "5")
CANDIDATES = "candidates"
SHOWN_METRICS = ("roc_auc", "average_precision", "f1", "brier", "log_loss", "profit_eur")


class ChallengerConfig(dg.Config):
    """What kind of challenger to make."""

    mode: str = "search"
    """`search` compares all candidates; `refit` fits the champion's recipe on fresh data."""


@dg.asset(**identity(CHALLENGER), deps=[*ALGORITHMS, "training_set"], kinds={"onnx", "mlflow"}, owners=ML_OWNERS)
def challenger(
    context: dg.AssetExecutionContext,
    config: ChallengerConfig,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    registry: RegistryResource,
    mlflow: TrackingResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """A model version ready to be judged: recipe chosen out of time, fitted on all known outcomes, registered.

    Reads: candidates and training_set. Writes: a registered bundle with alias `challenger`.
    Guarantees: another recipe replaces the incumbent's only if its lead is unlikely to be chance.
    Fails when: no candidate has been evaluated on this snapshot.
    """
    store, champion = warehouse.open(), ChampionHistory.of(ledger.engine).current
    snapshot = read_snapshot(store, settings.contract)
    derived = CHALLENGER.of(
        store,
        inputs=store.digests(CANDIDATES) | {"set": snapshot.digest},
        settings={
            "economics": settings.economics.to_dict(),
            "mode": config.mode,
            "seed": settings.seed,
            "probation": settings.probation,
            "objective": settings.objective,
        },
    )

    def work() -> Made:
        models = registry.open()
        in_force = models.scorer(champion) if champion else None
        chosen = choose(store, snapshot, in_force, settings, mode=config.mode)
        made = registered(chosen, store, snapshot, models, mlflow.open(), settings)
        context.log.info("version %s: %s", made.metadata["headline"]["version"], chosen.tested.reason)
        shutil.rmtree(settings.home / "cache" / "folds", ignore_errors=True)
        return replace(made, metadata={**made.metadata, "from_version": champion})

    return derive(derived, work)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The recipe to deploy with its evidence, the kind of its promotion, and the comparisons that its gate needs."""

    tested: OutOfTime
    kind: str
    first_gate: GateVerdict | None
    compared: AgainstChampion | None


def choose(
    store: Warehouse, snapshot: TrainingSnapshot, in_force: Scorer | None, settings: Settings, *, mode: str
) -> Chosen:
    """Choose the recipe to deploy; if no candidate passes the first gate, the default recipe goes on probation."""
    incumbent = Recipe.from_dict(in_force.decision["recipe"]) if in_force else Recipe(seed=settings.seed)
    recipe, reason = incumbent, "refit of the champion's recipe on fresh data"
    if mode != "refit":
        recipe, reason = best_candidate(store, snapshot, incumbent, settings)
    tested = out_of_time(recipe, incumbent, snapshot, settings, reason=reason)
    has_passed = in_force is not None and not in_force.decision.get("is_on_probation", False)
    kind = kind_of_fit(tested.recipe.name, incumbent.name, has_passed=has_passed)
    gate = None
    if kind == FIRST:
        threshold = tested.f1_thresholds[1]
        gate = first_model_gate(tested.cohort, tested.proba, objective=settings.objective, f1_threshold=threshold)
    may_be_on_probation = settings.probation and (in_force is None or mode == "refit")
    if gate is not None and not gate.is_promoted and may_be_on_probation:
        kind = PROBATION
        reason = f"{tested.reason}; no candidate passes the gate of a first model: {incumbent.name} on probation"
        tested = out_of_time(incumbent, incumbent, snapshot, settings, reason=reason)
    is_refit = in_force is not None and tested.recipe.name == incumbent.name
    return Chosen(tested, kind, gate, refit_against(in_force, snapshot, settings) if in_force and is_refit else None)


def registered(
    chosen: Chosen,
    store: Warehouse,
    snapshot: TrainingSnapshot,
    models: Registry,
    tracking: Tracking,
    settings: Settings,
) -> Made:
    """Fit the chosen recipe on all known outcomes and register it with the evidence that its gate needs."""
    tested, kind, as_of = chosen.tested, chosen.kind, str(snapshot.data.as_of)
    fit = fit_deployment(tested.recipe, snapshot.data)
    files, fairness = assemble_bundle(
        fit,
        tested,
        snapshot,
        profile_of(store, snapshot),
        settings,
        run_id=tracking.parent_run_id,
        is_on_probation=kind == PROBATION,
    )
    version = register(models, files, run_id=tracking.parent_run_id, kind=kind, as_of=as_of)
    models.set_alias(ALIAS_CHALLENGER, version.version)
    tracking.log_parent(tags={"bank/challenger": version.version, "bank/kind": kind}, metrics={"parity": fit.parity})
    headline = {
        "version": version.version,
        "recipe": tested.recipe.name,
        "kind": kind,
        "reason": tested.reason,
        "parity": fit.parity,
        **{name: float(tested.metrics[name]) for name in SHOWN_METRICS},
    }
    evidence = {
        "headline": headline,
        "digest": version.digest,
        "run_id": tracking.parent_run_id,
        "guard": {"raw": fit.guard_raw.tolist(), "observed": fit.guard_observed.tolist()},
        "parity": fit.parity,
        "against_champion": asdict(chosen.compared) if chosen.compared else None,
        "first_gate": asdict(chosen.first_gate) if chosen.first_gate else None,
        "fairness": fairness,
        "as_of": as_of,
        "intervals": tested.intervals,
        "f1_thresholds": list(tested.f1_thresholds),
    }
    shown = {"out_of_time_rows": int(tested.rows.sum()), "intervals": dg.MetadataValue.json(tested.intervals)}
    return Made(cohort_rows(tested, snapshot), evidence, shown)


def cohort_rows(tested: OutOfTime, snapshot: TrainingSnapshot) -> pa.Table:
    """The latest out-of-time cohort: both recipes' probabilities, the outcomes and the economics of each contact."""
    cohort, n = tested.cohort, len(tested.proba)
    return pa.table(
        {
            "contact_id": snapshot.contact_ids[tested.rows],
            "proba": tested.proba,
            "incumbent_proba": tested.incumbent_proba,
            "base_rate": cohort.rows["subscription_rate_30d"],
            "is_subscribed": cohort.observed,
            "contact_date": cohort.contact_dates,
            COST_COLUMN: np.broadcast_to(cohort.economics.cost(cohort.rows), n),
            VALUE_COLUMN: np.broadcast_to(cohort.economics.value(cohort.rows), n),
        }
    )


def refit_against(champion: Scorer, snapshot: TrainingSnapshot, settings: Settings) -> AgainstChampion:
    """Compare a refit of the champion's recipe with the champion on contacts that neither learned from."""
    decision = champion.decision

    calibrated = partial(apply_calibrator, steps=decision["calibrator"])
    return against_champion(
        Recipe.from_dict(decision["recipe"]),
        snapshot.data,
        np.datetime64(decision["training"]["as_of"], "D"),
        calibrated(champion.raw_probability(snapshot.data.features)),
        calibrated,
        seed=settings.seed,
    )


def best_candidate(
    store: Warehouse, snapshot: TrainingSnapshot, incumbent: Recipe, settings: Settings
) -> tuple[Recipe, str]:
    """The recipe that a search chooses, and the reason."""
    data, economics, found = snapshot.data, settings.economics, evaluated(store, snapshot)
    folds = time_folds(data.contact_dates, data.as_of)
    if incumbent.name not in found:  # left out by BANK_CANDIDATES; other recipes are still compared with it
        proba = predict_folds(incumbent, data, folds, resampled_fold(data), time.monotonic).calibrated
        found[incumbent.name] = incumbent, candidate_metrics(proba, data, folds, economics), proba
    rows = pooled_rows(found[incumbent.name][2], data.contact_dates, folds, LIMITS.minimum_rows)
    choice = choose_recipe(
        {name: metrics for name, (_, metrics, _) in found.items()},
        {name: proba[rows] for name, (_, _, proba) in found.items()},
        cohort_of(data.rows(rows), economics, settings.seed),
        incumbent.name,
        settings.objective,
    )
    return found[choice.name][0], choice.reason


def evaluated(
    store: Warehouse, snapshot: TrainingSnapshot
) -> dict[str, tuple[Recipe, Mapping[str, float], FloatArray]]:
    """Recipe, metrics and out-of-time probabilities of each candidate of this snapshot; a failure if there is none."""
    found = {}
    for algorithm, entry in store.manifest(CANDIDATES).items():
        if entry.metadata["snapshot"] == snapshot.digest:
            table = store.read(CANDIDATES, [algorithm])
            for name, row in entry.metadata["results"].items():
                recipe = Recipe.from_dict(row["recipe"])
                found[name] = recipe, row["metrics"], table.column(f"calibrated.{recipe.sampler}").to_numpy()
    if not found:
        raise dg.Failure(
            f"challenger: expected candidates evaluated on this training set, found none; materialize "
            f"{', '.join(ALGORITHMS)} first.",
            allow_retries=False,
        )
    return found


@dg.asset(**identity(CHAMPION_SCORES), deps=[CHALLENGER.name], kinds={"parquet", "python"}, owners=ML_OWNERS)
def champion_scores(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    registry: RegistryResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """The champion on the challenger's out-of-time rows, for the record.

    Reads: challenger's rows, the champion's bundle. Writes: `champion_scores`.
    Guarantees: the same rows and the same scorer. The champion may have learned from some of these rows, so gates
    compare
    recipes and not these scores.
    """
    store = warehouse.open()
    basis = challenger_in(store)
    champion = basis.metadata["from_version"]  # in force when the challenger was made, not after its promotion

    def work() -> Made:
        rows = store.read(CHALLENGER.name, [ALL], ["contact_id"]).column("contact_id").to_pylist()
        proba = np.full(len(rows), np.nan)
        if champion is not None:
            snapshot = read_snapshot(store, settings.contract)
            mask = np.isin(snapshot.contact_ids, np.asarray(rows, dtype=object))
            features = rows_at(snapshot.data.features, mask)
            proba = registry.open().scorer(champion).score(features).probability
        context.log.info("champion %s on %d rows", champion, len(rows))
        return Made(pa.table({"contact_id": rows, "proba": proba}), {"champion": champion})

    derived = CHAMPION_SCORES.of(store, inputs=[basis.digest, champion or ""])
    return derive(derived, work, lambda stored: {"champion": stored["champion"] or "none"})


def challenger_in(store: Warehouse) -> Entry:
    """The stored challenger; `dg.Failure` if there is none."""
    found = store.entry(CHALLENGER.name, ALL)
    if found is None:
        raise dg.Failure("challenger: expected one, found none; materialize challenger first.", allow_retries=False)
    return found
