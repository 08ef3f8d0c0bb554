"""A complete home with a champion, made in seconds from simulated contacts, for tests and screenshots.

Real core code makes everything but the registry, so no MLflow is imported.
`python -m bank_assets_tests.world.demo_home <folder> [port]` serves it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from bs4 import BeautifulSoup
from litestar.testing import TestClient

from bank_assets.contract.uci import UCI
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.drift.verdict import DriftPolicy, compare_profiles
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import Contacts, LearningData, ScoredContacts
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.bundle import ModelLineage, observed_ranges
from bank_assets.core.model.calibration import Recalibration, fit_affine
from bank_assets.core.model.explanations import Explainer, build_background, global_importance
from bank_assets.core.model.ranges import fit_ranges
from bank_assets.core.model.scorer import Scorer
from bank_assets.core.quality import metrics
from bank_assets.core.quality.comparison import compare_models, profit_curve
from bank_assets.core.quality.objective import Cohort
from bank_assets.core.quality.performance import PerformancePolicy, measure_performance
from bank_assets.core.quality.performance_report import Baseline
from bank_assets.core.training.export import to_onnx
from bank_assets.core.training.recipes import Recipe, fit_recipe
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.ledger import promotions, states
from bank_assets.ledger.engine import open_ledger, upgrade
from bank_assets.reports.drift_page import drift_page
from bank_assets.reports.retraining_page import retraining_page
from bank_assets.settings import Settings
from bank_assets.simulator.simulator import simulate
from bank_assets.store.alert_log import AlertLog
from bank_assets_tests.world.built_apps import built_app
from bank_assets_tests.world.bundles import make_bundle
from bank_assets_tests.world.demo_reports import RETRAINING, RUN_SUMMARY, demo_alerts, judge_days
from bank_assets_tests.world.registry import MemoryRegistry
from bank_assets_tests.world.waiting import wait_until
from serving.app import create_app
from serving.settings import ServingSettings

FEATURE_SET = FeatureSet.of(UCI)

SEED = 20_260_101
ROWS = 16_000
TRAINED_UNTIL = np.datetime64("2009-11-01")
AS_OF = np.datetime64("2010-10-18")
EXAMPLE = "example.csv"
JUDGED_EARLY = PerformancePolicy(minimum_rows=100, minimum_of_class=20)
"""Lower minimums, because the demo has a third of the real volume."""


@dataclass(frozen=True)
class Fitted:
    """The expensive parts: bundles by version, state, reports, a campaign file."""

    versions: dict[str, dict[str, bytes]]
    state: dict[str, Any]
    drift: dict[str, dict[str, Any]]
    performance: dict[str, Any]
    campaign: bytes
    pages: dict[str, str]


@cache
def fit_demo(rows: int = ROWS) -> Fitted:
    """Simulate a history, fit two versions and measure them; once per process, some 10 s."""
    contacts = simulate(rows=rows, seed=SEED)
    dates = contacts["contact_date"].to_numpy().astype("datetime64[D]")
    frame = {name: contacts[name].to_numpy() for name in UCI.numeric_columns}
    frame |= {name: contacts[name].astype(str).to_numpy(dtype=object) for name in UCI.category_columns}
    subscribed = (contacts["y"].astype(str) == "yes").to_numpy()
    learned = Contacts(np.arange(len(subscribed)), frame, dates, dates + 1, subscribed, UCI)
    history, features = learned.history(), learned.features()
    daily = DailyProfiles.from_rows(
        dates,
        {name: contacts[name].to_numpy() for name in contacts.columns if name not in ("contact_id", "contact_date")},
        UCI,
    )
    reference = daily.window(dates.min().astype(object), TRAINED_UNTIL.astype(object))
    versions = {}
    for number, algorithm in (("1", "logistic_regression"), ("2", "lightgbm")):
        versions[number] = _bundle(number, algorithm, features, subscribed, dates, reference.to_dict())
    scorer = Scorer(versions["2"])
    proba = scorer.score(features).probability
    later = dates >= TRAINED_UNTIL
    scored = ScoredContacts(dates[later], proba[later], subscribed[later], dates[later] + 1)
    performance = measure_performance(scored, AS_OF, Economics(), Baseline(0.64, 0.3), JUDGED_EARLY, "version 2")
    policy = DriftPolicy(minimum_rows=100)
    compared = {
        month: compare_profiles(reference, daily.month_or_trailing(month, 100), policy, "champion v2")
        for month in sorted(daily.months)
        if month >= "2009-06"
    }
    drift = {month: report.to_dict() for month, report in compared.items()}
    last = max(compared)
    importance = json.loads(versions["2"]["decision.json"])["importance"]
    pages = {
        f"drift/{last}.html": drift_page(
            compared[last],
            reference,
            daily.month_or_trailing(last, 100),
            history=compared,
            importance=importance,
            source="simulated",
        ),
        "retraining/v2.html": retraining_page(
            RETRAINING,
            compare_models(
                Cohort(subscribed[later], dates[later], Economics(), {}, SEED),
                Scorer(versions["1"]).score(features).probability[later],
                proba[later],
            ),
            Economics(),
        ),
    }
    planned = simulate(AS_OF.astype(object), rows=200_000, seed=SEED + 1)
    text = planned[list(UCI.campaign_columns)].to_csv(index=False, sep=";", date_format="%Y-%m-%d")
    return Fitted(versions, history.state(AS_OF).to_dict(), drift, performance.to_dict(), text.encode(), pages)


def _bundle(
    number: str, algorithm: str, features: Any, subscribed: Any, dates: Any, reference: dict[str, Any]
) -> dict[str, bytes]:
    learned, tested = dates < TRAINED_UNTIL, dates >= TRAINED_UNTIL
    recipe = Recipe(algorithm)
    part = {name: column[learned] for name, column in features.items()}
    data = LearningData(part, dates[learned], dates[learned] + 1, subscribed[learned], TRAINED_UNTIL, UCI)
    estimator = fit_recipe(recipe, data)
    economics = Economics()
    lineage = ModelLineage(
        str(TRAINED_UNTIL), "5f" * 32, int(learned.sum()), "simulated", False, f"run-{number}", "demo", UCI
    )
    graph = to_onnx(estimator, FEATURE_SET, recipe.algorithm)
    raw = Scorer(make_bundle(graph, recipe, lineage=lineage)).raw_probability(features)
    calibrator = [fit_affine(raw[tested], subscribed[tested])]
    proba = 1.0 / (1.0 + np.exp(-(np.log(raw / (1 - raw)) * calibrator[0]["slope"] + calibrator[0]["intercept"])))
    y, p = subscribed[tested], proba[tested]
    auc, brier = metrics.roc_auc(y, p), metrics.brier(y, p)
    profit = float(economics.profit(economics.decide(p, {}), y, {}).sum())
    found = {
        "roc_auc": auc,
        "average_precision": metrics.average_precision(y, p),
        "f1": metrics.f1(y, p, 0.3),
        "brier": brier,
        "profit_eur": profit,
        "intervals": {
            "roc_auc": [auc - 0.02, auc, auc + 0.02],
            "brier": [brier - 0.01, brier, brier + 0.01],
            "profit_eur": [profit * 0.9, profit, profit * 1.1],
            "rows": int(tested.sum()),
        },
        "curves": {
            "calibration": [asdict(one) for one in metrics.calibration_table(y, p)],
            "profit": profit_curve(Cohort(y, dates[tested], economics, {}, SEED), p, n_resamples=40),
        },
    }
    ranges = fit_ranges(dates[tested], p, y.astype(float))
    parts = {
        "calibrator": calibrator,
        "ranges": {name: knots for name, knots in ranges.items() if name in ("probability", "low", "high")},
        "metrics": found,
        "lineage": lineage,
        "feature_ranges": observed_ranges(part, UCI),
        "background": build_background(part, FEATURE_SET, seed=SEED),
    }
    files = make_bundle(graph, recipe, reference=reference, **parts)
    explained = {name: column[:60] for name, column in features.items()}
    importance = global_importance(Explainer(Scorer(files)), explained, max_rows=30)
    return make_bundle(graph, recipe, reference=reference, importance=importance, **parts)


@dataclass
class DemoHome:
    """A home on disk and its registry."""

    settings: ServingSettings
    registry: MemoryRegistry

    @property
    def path(self) -> Path:
        return self.settings.platform.home


def make_home(folder: Path, fitted: Fitted, **serving: Any) -> DemoHome:
    """Write a home: ledger with history and state, reports, a campaign file."""
    folder.mkdir(parents=True, exist_ok=True)
    platform = Settings(home=folder, ledger_url=f"sqlite:///{folder / 'ledger.db'}", mlflow_uri="")
    engine = open_ledger(platform.ledger_url, migrate=False)
    upgrade(engine)
    promotions.record(
        engine, kind="first", decision="promoted", from_version=None, to_version="1", actor="pipeline",
        as_of="2009-03-01", reasons=["log loss 0.341 beats the as-of base rate 0.398 (P = 1.00)"],
        evidence={"log_loss": 0.341, "log_loss_base_rate": 0.398, "rows": 3_120},
    )  # fmt: skip
    promotions.record(
        engine, kind="recipe", decision="refused", from_version="1", to_version="3", actor="pipeline",
        as_of="2009-05-01", reasons=["P(profit gain > 0) = 0.61, at least 0.90 is needed"],
        evidence={"probability_of_gain": 0.61, "rows": 1_204},
    )  # fmt: skip
    promotions.record(
        engine, kind="recipe", decision="promoted", from_version="1", to_version="2", actor="pipeline",
        as_of="2009-06-01", reasons=["P(profit gain > 0) = 0.97 on 1,310 contacts", "F1 and calibration not worse"],
        evidence={"probability_of_gain": 0.97, "rows": 1_310, "report": "/reports/retraining/v2.html"},
    )  # fmt: skip
    judge_days(engine)
    recalibration = asdict(Recalibration(1_240, 0.05, 0.12, 0.3312, 0.3304))
    states.publish(engine, str(fitted.state["as_of"]), {**fitted.state, "recalibration": recalibration})
    engine.dispose()
    campaign = platform.landing / "campaigns" / EXAMPLE
    campaign.parent.mkdir(parents=True, exist_ok=True)
    campaign.write_bytes(fitted.campaign)
    register_deliveries(platform.landing, platform.warehouse, UCI, now=datetime.now(UTC), settle_seconds=0)
    write_reports(platform.reports, fitted)
    settings = ServingSettings(**{"platform": platform, "poll_seconds": 0.2, "code_version": "demo", **serving})
    return DemoHome(settings, MemoryRegistry(dict(fitted.versions), "2"))


def write_reports(reports: Path, fitted: Fitted) -> None:
    """The pipeline's reports, as JSON under `reports/`."""
    (reports / "drift").mkdir(parents=True, exist_ok=True)
    for month, document in fitted.drift.items():
        (reports / "drift" / f"{month}.json").write_text(json.dumps(document))
    (reports / "performance.json").write_text(json.dumps(fitted.performance))
    (reports / "run_summary.json").write_text(json.dumps(RUN_SUMMARY))
    for name, page in fitted.pages.items():
        (reports / name).parent.mkdir(parents=True, exist_ok=True)
        (reports / name).write_text(page)
    log = AlertLog(reports / "alerts.jsonl", "http://127.0.0.1:8000", "http://127.0.0.1:3000")
    log.append(demo_alerts(datetime.now(UTC)))
    for day in ("20101101", "20101102"):
        page = reports / "data_docs" / "validations" / "contacts" / day / "contacts.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"<!doctype html><html><head><title>Data docs</title></head><h1>Validation {day}</h1></html>")


@contextmanager
def open_pages(home: DemoHome) -> Iterator[TestClient]:
    """The app of a home as a browser sees it, with its champion."""
    with built_app(home.settings, home.registry) as app, TestClient(app, base_url="http://127.0.0.1") as client:
        client.headers["accept"] = "text/html"
        store = app.state.services.store
        wait_until(lambda: store.champion or (home.registry.alias is None and store.is_registry_reachable))
        yield client


def soup_of(response: Any) -> BeautifulSoup:
    """A page, parsed."""
    return BeautifulSoup(response.text, "html.parser")


def token_of(client: TestClient, path: str = "/login") -> dict[str, str]:
    """The form token, as a form sends it; any page sets its cookie."""
    client.get(path)
    return {"_csrf_token": client.cookies[client.app.csrf_config.cookie_name]}


HTMX = {"HX-Request": "true"}


if __name__ == "__main__":
    import sys

    import uvicorn

    home = make_home(Path(sys.argv[1]), fit_demo())
    uvicorn.run(create_app(home.settings, registry=home.registry), port=int(sys.argv[2]) if len(sys.argv) > 2 else 8000)
