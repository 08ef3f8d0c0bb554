"""Stage evaluation: one challenger from all candidates, and the champion beside it on the same rows.

Choice and fit are in `core.challenger`; the bundle goes through the same scorer that production uses.
"""

import dagster as dg
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bank_assets.assets.materialization import ML_OWNERS, Stopwatch, result, unchanged
from bank_assets.assets.model_bundle import OutOfTime, assemble_bundle, out_of_time, profile_of
from bank_assets.assets.snapshot import TrainingSnapshot, read_snapshot
from bank_assets.contract import ALIAS_CHALLENGER
from bank_assets.core.candidates import ALGORITHMS, Recipe
from bank_assets.core.challenger import choose_recipe, fit_deployment, pooled_rows
from bank_assets.core.economics import Economics
from bank_assets.core.objective import PROFIT
from bank_assets.core.promotion import REFIT, PromotionPolicy
from bank_assets.core.refit_comparison import AgainstChampion, against_champion
from bank_assets.core.scorer import Scorer, apply_calibrator
from bank_assets.core.splits import time_folds
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.store import RegistryResource, WarehouseResource
from bank_assets.resources.tracking import TrackingResource
from bank_assets.revision import git_revision
from bank_assets.settings import Settings
from bank_assets.store.champion_history import Reign
from bank_assets.store.fold_cache import clear_folds
from bank_assets.store.registration import register
from bank_assets.store.warehouse import Warehouse, fingerprint

CODE_VERSION = "4"
CANDIDATES, CHALLENGER, SCORES = "candidates", "challenger", "champion_scores"


class ChallengerConfig(dg.Config):
    """What kind of challenger to make."""

    mode: str = "search"
    """`search` compares all candidates; `refit` fits the champion's recipe on fresh data."""


@dg.asset(
    name=CHALLENGER,
    deps=[*ALGORITHMS, "training_set"],
    code_version=CODE_VERSION,
    kinds={"onnx", "mlflow"},
    owners=ML_OWNERS,
)
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
    Guarantees: another recipe than the incumbent's is chosen only if its lead is unlikely to be luck.
    Fails when: no candidate has been evaluated on this snapshot.
    """
    watch, store = Stopwatch(), warehouse.open()
    snapshot, models = read_snapshot(store, settings.contract), registry.open()
    economics = Economics(settings.cost_eur, settings.value_eur)
    champion = Reign.of(ledger.engine).current
    inputs = {name: entry.digest for name, entry in store.manifest(CANDIDATES).items()} | {"set": snapshot.digest}
    mark = fingerprint(
        inputs=inputs,
        code_version=CODE_VERSION,
        settings={
            "economics": economics.to_dict(),
            "mode": config.mode,
            "seed": settings.seed,
            # Left out by default, so that homes of earlier releases do not make their challenger anew.
            **({} if settings.objective == PROFIT else {"objective": settings.objective}),
        },
    )
    entry = store.entry(CHALLENGER, "all")
    if entry is not None and store.is_unchanged(CHALLENGER, "all", mark):
        return unchanged(entry, watch, dict(entry.metadata["headline"]))
    in_force = models.scorer(champion) if champion else None
    incumbent = Recipe.from_dict(in_force.decision["recipe"]) if in_force else Recipe("lightgbm", seed=settings.seed)
    tested = gather(store, snapshot, incumbent, economics, settings, mode=config.mode)
    tracking = mlflow.open()
    run_id = tracking.parent_run_id
    fit = fit_deployment(tested.recipe, snapshot.data)
    reference = profile_of(store, snapshot)
    bundle = assemble_bundle(
        fit,
        tested,
        snapshot,
        economics,
        reference,
        run_id=run_id,
        revision=git_revision(settings.revision),
        settings=settings,
    )
    kind = "first" if champion is None else (REFIT if tested.recipe.name == incumbent.name else "recipe")
    compared = refit_against(in_force, snapshot, settings) if in_force and kind == REFIT else None
    version = register(models, bundle.files, run_id=run_id, kind=kind, as_of=str(snapshot.data.as_of))
    models.set_alias(ALIAS_CHALLENGER, version.version)
    context.log.info("version %s: %s", version.version, tested.reason)
    headline = {
        "version": version.version,
        "recipe": tested.recipe.name,
        "kind": kind,
        "reason": tested.reason,
        "parity": fit.parity,
        **{
            name: float(tested.metrics[name])
            for name in ("roc_auc", "average_precision", "f1", "brier", "log_loss", "profit_eur")
        },
    }
    tracking.log_parent(tags={"bank/challenger": version.version, "bank/kind": kind}, metrics={"parity": fit.parity})
    table = pa.table(
        {
            "contact_id": snapshot.contact_ids[tested.rows],
            "proba": tested.proba,
            "incumbent_proba": tested.incumbent_proba,
            "base_rate": snapshot.data.features["subscription_rate_30d"][tested.rows],
            "is_subscribed": snapshot.data.is_subscribed[tested.rows],
            "contact_date": snapshot.data.contact_dates[tested.rows],
        }
    )
    guard = {"raw": fit.guard_raw.tolist(), "observed": fit.guard_observed.tolist()}
    entry = store.write(
        CHALLENGER,
        "all",
        table,
        mark,
        {
            "headline": headline,
            "digest": version.digest,
            "run_id": run_id,
            "guard": guard,
            "parity": fit.parity,
            "against_champion": compared.to_dict() if compared else None,
            "fairness": bundle.fairness,
            "as_of": str(snapshot.data.as_of),
            "from_version": champion,
            "intervals": tested.intervals,
            "f1_thresholds": list(tested.f1_thresholds),
        },
    )
    clear_folds(settings.home / "cache" / "folds")
    return result(
        entry,
        watch,
        {**headline, "out_of_time_rows": int(tested.rows.sum()), "intervals": dg.MetadataValue.json(tested.intervals)},
    )


def refit_against(champion: Scorer, snapshot: TrainingSnapshot, settings: Settings) -> AgainstChampion:
    """The champion's recipe on today's data beside the champion itself, on contacts that neither learned from."""
    decision = champion.decision

    def calibrated(raw: NDArray[np.float64]) -> NDArray[np.float64]:
        return apply_calibrator(raw, decision["calibrator"])

    return against_champion(
        Recipe.from_dict(decision["recipe"]),
        snapshot.data,
        np.datetime64(decision["training"]["as_of"], "D"),
        calibrated(champion.raw_probability(snapshot.data.features)),
        calibrated,
        seed=settings.seed,
    )


def gather(
    store: Warehouse,
    snapshot: TrainingSnapshot,
    incumbent: Recipe,
    economics: Economics,
    settings: Settings,
    *,
    mode: str,
) -> OutOfTime:
    """The recipe to deploy with its out-of-time evidence.

    Raises:
        dg.Failure: a search found no candidate evaluated on this snapshot.
    """
    data = snapshot.data
    folds = time_folds(data.contact_dates, data.as_of)
    starts = [fold.test_start for fold in folds if fold.is_reported]
    if mode == "refit":
        return out_of_time(
            incumbent,
            incumbent,
            snapshot,
            folds,
            economics,
            settings,
            reason="refit of the champion's recipe on fresh data",
        )
    results, calibrated, recipes = {}, {}, {}
    for algorithm, entry in store.manifest(CANDIDATES).items():
        if entry.metadata["snapshot"] != snapshot.digest:
            continue
        table = store.read(CANDIDATES, [algorithm])
        for name, row in entry.metadata["results"].items():
            recipes[name] = Recipe.from_dict(row["recipe"])
            results[name] = row["metrics"]
            calibrated[name] = table.column(f"calibrated.{recipes[name].sampler}").to_numpy()
    if not results:
        raise dg.Failure(
            "challenger: expected candidates evaluated on this training set, found none; materialize the "
            "four algorithms first.",
            allow_retries=False,
        )
    cohort = pooled_rows(next(iter(calibrated.values())), data.contact_dates, starts, PromotionPolicy().minimum_rows)
    choice = choose_recipe(
        results,
        {name: proba[cohort] for name, proba in calibrated.items()},
        data.is_subscribed[cohort],
        data.contact_dates[cohort],
        incumbent.name,
        economics,
        seed=settings.seed,
        objective=settings.objective,
    )
    return out_of_time(recipes[choice.name], incumbent, snapshot, folds, economics, settings, reason=choice.reason)


@dg.asset(
    name=SCORES,
    deps=[CHALLENGER],
    code_version=CODE_VERSION,
    kinds={"parquet", "python"},
    owners=ML_OWNERS,
)
def champion_scores(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    registry: RegistryResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """The champion on the challenger's out-of-time rows, for the record.

    Reads: challenger's rows, the champion's bundle. Writes: `champion_scores`.
    Guarantees: the same rows and the same scorer path. The champion may have learned from some of these rows, so gates
    compare recipes, not these scores.
    """
    watch, store = Stopwatch(), warehouse.open()
    basis = store.entry(CHALLENGER, "all")
    if basis is None:
        raise dg.Failure(
            "champion_scores: expected a challenger, found none; materialize challenger first.", allow_retries=False
        )
    champion = basis.metadata["from_version"]  # in force when the challenger was made, not after its promotion
    mark = fingerprint(inputs=[basis.digest, champion or ""], code_version=CODE_VERSION, settings={})
    entry = store.entry(SCORES, "all")
    if entry is not None and store.is_unchanged(SCORES, "all", mark):
        return unchanged(entry, watch, {"champion": entry.metadata["champion"] or "none"})
    rows = store.read(CHALLENGER, ["all"], ["contact_id"]).column("contact_id").to_pylist()
    proba = np.full(len(rows), np.nan)
    if champion is not None:
        snapshot = read_snapshot(store, settings.contract)
        mask = np.isin(snapshot.contact_ids, np.asarray(rows, dtype=object))
        proba = (
            registry.open()
            .scorer(champion)
            .score({name: column[mask] for name, column in snapshot.data.features.items()})
            .probability
        )
    table = pa.table({"contact_id": rows, "proba": proba})
    entry = store.write(SCORES, "all", table, mark, {"champion": champion})
    context.log.info("champion %s on %d rows", champion, len(rows))
    return result(entry, watch, {"champion": champion or "none"}, table.schema)
