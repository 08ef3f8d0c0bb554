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

from bank_assets.assets.features import TrainingSnapshot, read_snapshot
from bank_assets.assets.materialization import ML_OWNERS, derive, identity
from bank_assets.assets.model_bundle import (
    OutOfTime,
    assemble_bundle,
    cohort_rows,
    out_of_time,
    profile_of,
)
from bank_assets.assets.training import CANDIDATES
from bank_assets.contract.names import ALIAS_CHALLENGER
from bank_assets.core.arrays import FloatArray, rows_at
from bank_assets.core.drift.profile import Profile
from bank_assets.core.model.scorer import Scorer, apply_calibrator
from bank_assets.core.promotion.gates import PROBATION, GateVerdict
from bank_assets.core.promotion.recipe_search import Selection
from bank_assets.core.promotion.refit_guard import AgainstChampion, against_champion
from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.core.training.challenger import fit_deployment
from bank_assets.core.training.folds import candidate_metrics, predict_folds, resampled_fold, time_folds
from bank_assets.core.training.recipes import Recipe
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.tracking import Tracking
from bank_assets.settings import Settings
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.derivations import ALL, DerivedTable, Made
from bank_assets.store.registration import register
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Entry, Warehouse

CHALLENGER, CHAMPION_SCORES = DerivedTable("challenger", "5"), DerivedTable("champion_scores", "5")
SHOWN_METRICS = ("roc_auc", "average_precision", "f1", "brier", "log_loss", "profit_eur")


class ChallengerConfig(dg.Config):
    """What kind of challenger to make."""

    # `search` compares all candidates; `refit` fits the champion's recipe on fresh data.
    mode: str = "search"


@dg.asset(**identity(CHALLENGER), deps=[*ALGORITHMS, "training_set"], kinds={"onnx", "mlflow"}, owners=ML_OWNERS)
def challenger(
    context: dg.AssetExecutionContext,
    config: ChallengerConfig,
    warehouse: dg.ResourceParam[Warehouse],
    ledger: LedgerResource,
    registry: dg.ResourceParam[Registry],
    mlflow: dg.ResourceParam[Tracking],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """A model version ready to be judged: recipe chosen out of time, fitted on all known outcomes, registered.

    Reads: candidates and training_set. Writes: a registered bundle with alias `challenger`.
    Guarantees: another recipe replaces the incumbent's only if its lead is unlikely to be chance.
    Fails when: no candidate has been evaluated on this snapshot.
    """
    champion = ChampionHistory.of(ledger.engine).current
    snapshot = read_snapshot(warehouse, settings.contract)
    derived = CHALLENGER.of(
        warehouse,
        inputs=warehouse.digests(CANDIDATES.name) | {"set": snapshot.digest},
        settings={
            "economics": settings.economics.to_dict(),
            "mode": config.mode,
            "seed": settings.seed,
            "probation": settings.probation,
            "objective": settings.objective,
        },
    )

    def work() -> Made:
        scorer = registry.scorer(champion) if champion else None
        chosen = choose(warehouse, snapshot, scorer, settings, mode=config.mode)
        made = registered(chosen, profile_of(warehouse, snapshot), snapshot, registry, mlflow, settings)
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
    store: Warehouse, snapshot: TrainingSnapshot, champion: Scorer | None, settings: Settings, *, mode: str
) -> Chosen:
    """Choose the recipe to deploy; if no candidate passes the first gate, the default recipe goes on probation."""
    incumbent = Recipe.from_dict(champion.decision["recipe"]) if champion else Recipe(seed=settings.seed)
    selection = Selection(
        incumbent,
        settings.economics,
        has_model=champion is not None,
        is_on_probation=champion is not None and champion.decision.get("is_on_probation", False),
        is_search=mode != "refit",
        probation=settings.probation,
        seed=settings.seed,
        objective=settings.objective,
    )
    recipe, reason = incumbent, "refit of the champion's recipe on fresh data"
    if selection.is_search:
        recipe, reason = best_candidate(store, snapshot, selection)
    tested = out_of_time(recipe, incumbent, snapshot, settings, reason=reason)
    name, kind, gate = selection.first_gate(recipe.name, tested.cohort, tested.proba, tested.f1_thresholds[1])
    if kind == PROBATION:
        reason = f"{tested.reason}; no candidate passes the gate of a first model: {name} on probation"
        tested = out_of_time(incumbent, incumbent, snapshot, settings, reason=reason)
    is_refit = champion is not None and tested.recipe.name == incumbent.name
    return Chosen(tested, kind, gate, refit_against(champion, snapshot, settings) if champion and is_refit else None)


def registered(
    chosen: Chosen,
    reference: Profile,
    snapshot: TrainingSnapshot,
    models: Registry,
    tracking: Tracking,
    settings: Settings,
) -> Made:
    """Fit the chosen recipe on all known outcomes and register it with the evidence that its gate needs."""
    tested, kind, as_of, run_id = chosen.tested, chosen.kind, str(snapshot.data.as_of), tracking.parent_run_id
    fit = fit_deployment(tested.recipe, snapshot.data)
    is_on_probation = kind == PROBATION
    files, fairness = assemble_bundle(
        fit, tested, snapshot, reference, settings, run_id=run_id, is_on_probation=is_on_probation
    )
    version = register(models, files, run_id=run_id, kind=kind, as_of=as_of)
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
    weights = {} if fit.guard_weights is None else {"weights": fit.guard_weights.tolist()}
    evidence = {
        "headline": headline,
        "digest": version.digest,
        "run_id": run_id,
        "guard": {"raw": fit.guard_raw.tolist(), "observed": fit.guard_observed.tolist()} | weights,
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


def best_candidate(store: Warehouse, snapshot: TrainingSnapshot, selection: Selection) -> tuple[Recipe, str]:
    """The recipe that a search chooses, and the reason."""
    data, incumbent, found = snapshot.data, selection.incumbent, evaluated(store, snapshot)
    folds = time_folds(data.contact_dates, data.as_of)
    if incumbent.name not in found:  # left out by BANK_CANDIDATES; other recipes are still compared with it
        proba = predict_folds(incumbent, data, folds, resampled_fold(data), time.monotonic).calibrated
        found[incumbent.name] = incumbent, candidate_metrics(proba, data, folds, selection.economics), proba
    choice, _, _ = selection.choose(
        {name: metrics for name, (_, metrics, _) in found.items()},
        {name: proba for name, (_, _, proba) in found.items()},
        data,
        folds,
    )
    return found[choice.name][0], choice.reason


def evaluated(
    store: Warehouse, snapshot: TrainingSnapshot
) -> dict[str, tuple[Recipe, Mapping[str, float], FloatArray]]:
    """Recipe, metrics and out-of-time probabilities of each candidate of this snapshot; a failure if there is none."""
    found = {}
    for algorithm, entry in store.manifest(CANDIDATES.name).items():
        if entry.metadata["snapshot"] == snapshot.digest:
            table = store.read(CANDIDATES.name, [algorithm])
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
    warehouse: dg.ResourceParam[Warehouse],
    registry: dg.ResourceParam[Registry],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """The champion on the challenger's out-of-time rows, for the record.

    Reads: challenger's rows, the champion's bundle. Writes: `champion_scores`.
    Guarantees: the same rows and the same scorer. The champion may have learned from some of these rows, so gates
    compare
    recipes and not these scores.
    """
    basis = challenger_in(warehouse)
    champion = basis.metadata["from_version"]  # when the challenger was made, not after its promotion

    def work() -> Made:
        rows = warehouse.read(CHALLENGER.name, [ALL], ["contact_id"]).column("contact_id").to_pylist()
        proba = np.full(len(rows), np.nan)
        if champion is not None:
            snapshot = read_snapshot(warehouse, settings.contract)
            mask = np.isin(snapshot.contact_ids, np.asarray(rows, dtype=object))
            proba = registry.scorer(champion).score(rows_at(snapshot.data.features, mask)).probability
        context.log.info("champion %s on %d rows", champion, len(rows))
        return Made(pa.table({"contact_id": rows, "proba": proba}), {"champion": champion})

    derived = CHAMPION_SCORES.of(warehouse, inputs=[basis.digest, champion or ""])
    return derive(derived, work, lambda stored: {"champion": stored["champion"] or "none"})


def challenger_in(store: Warehouse) -> Entry:
    """The stored challenger; `dg.Failure` if there is none."""
    found = store.entry(CHALLENGER.name, ALL)
    if found is None:
        raise dg.Failure("challenger: expected one, found none; materialize challenger first.", allow_retries=False)
    return found
