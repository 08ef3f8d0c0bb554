"""The settings of a deployment, which only this module reads; thresholds of drift and promotion are code."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from bank_assets.contract.contract import Contract
from bank_assets.contract.file import DEFAULT, load_contract
from bank_assets.core.alerts.routing import Routes, routes_of
from bank_assets.core.economics.contact_policy import NO_POLICY, ContactPolicy, load_policy
from bank_assets.core.economics.economics import MAXIMUM_EUR, Economics
from bank_assets.core.economics.exploration import USUAL_LEARNING, LearningBudget
from bank_assets.core.features.contacts import LEARNING_ROWS, MINIMUM_LEARNING_ROWS
from bank_assets.core.features.feedback import CALLED, FEEDBACKS, FULL
from bank_assets.core.quality.read_out import ATTRIBUTION_DAYS
from bank_assets.environment import PREFIX, SettingsError, choice, flag, names, number, read_as, secret_text, whole

# Dagster and MLflow use a path unquoted in the address of a SQLite file, Spark in a list of folders.
_UNUSABLE_IN_HOME: Final = re.compile(r"[?,\x00-\x1f\x7f\udc80-\udcff]|%[0-9A-Fa-f]{2}")
_BUCKET: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9._=-]+)*/?")
_AS_GIVEN: Final = (
    "source", "source_query", "source_watermark", "mlflow_uri", "mlflow_artifacts", "ledger_url", "spark_master",
    "spark_memory", "public_url", "ui_url", "revision",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that differs between deployments.

    Attributes:
        home: `BANK_HOME`, the folder that holds all that the platform writes (default `.bank`).
        lake: `BANK_LAKE`, a folder or `s3://bucket/prefix` for tables and raw bytes (default `warehouse` in home).
        landing_bucket: `BANK_LANDING`, `s3://bucket/prefix` from which deliveries are fetched into `landing` of home.
        source: `BANK_SOURCE`, a CSV path, the address of a database, `uci`, `simulated` or `auto`.
        source_query: `BANK_SOURCE_QUERY`, the table of a database source, or a query.
        source_watermark: `BANK_SOURCE_WATERMARK`, its column that rises with every change; "" pulls all rows each time.
        source_password: `BANK_SOURCE_PASSWORD`, or the content of the file `BANK_SOURCE_PASSWORD_FILE`.
        pull_cron: `BANK_PULL_CRON`, when a database source is pulled, in the time zone of the midnight schedule.
        mlflow_uri: `BANK_MLFLOW_URI`, MLflow tracking and registry store (default SQLite under home).
        mlflow_artifacts: `BANK_MLFLOW_ARTIFACTS`, artifact root used when an experiment is created.
        ledger_url: `BANK_LEDGER_URL`, SQLAlchemy URL of the ledger (default SQLite under home).
        spark_master: `BANK_SPARK_MASTER`.
        spark_memory: `BANK_SPARK_MEMORY`, driver heap.
        economics: `BANK_COST_EUR` and `BANK_VALUE_EUR`, what a call costs and a subscription is worth.
        reject_rate_limit: `BANK_REJECT_RATE_LIMIT`, share of a month's rows that may be rejected before its gate fails.
        objective: `BANK_OBJECTIVE`, what a recipe is chosen by and what reports put first: `profit` or `f1`.
        threshold: `BANK_THRESHOLD`, who is called: above break-even (`profit`) or from the model's best F1 on (`f1`).
        search: `BANK_SEARCH`, `default` (hyper-parameters as they stand) or `full` (tuned by Optuna).
        search_minutes: `BANK_SEARCH_MINUTES`, time limit of the full search.
        learning_rows: `BANK_LEARNING_ROWS`, contacts that a fit uses at most; of more it draws a weighted sample.
        candidates: `BANK_CANDIDATES`, recipes that a search compares, `algorithm/sampler,…`; empty for all.
        probation: `BANK_PROBATION`, whether the default recipe decides, and is marked, until a first model is promoted.
        train_nightly: `BANK_TRAIN_NIGHTLY`, train every night (True) or only when the loop requests it (False).
        budget_eur: `BANK_BUDGET_EUR`, budget of the call list; None for no limit.
        learning: `BANK_LEARNING_SHARE`, `BANK_LEARNING_MINIMUM` (a day) and `BANK_LEARNING_EUR`, calls to learn from.
        contact_policy: `BANK_CONTACT_POLICY`, path of a YAML file that says how often and when customers may be called.
        attribution_days: `BANK_ATTRIBUTION_DAYS`, days after the planned day of a call in which a subscription counts.
        timezone: `BANK_TIMEZONE`, IANA zone of the midnight schedule.
        alert_urls: `BANK_ALERT_URLS`, comma-separated notification channels.
        alert_routes: `BANK_ALERT_ROUTES`, which channels get a kind of alert: `kind=channel+channel`, or `kind=none`.
        public_url: `BANK_PUBLIC_URL`, base of links in alerts and reports.
        ui_url: `BANK_UI_URL`, base of links to runs, where Dagster's web server is reached.
        feedback: `BANK_FEEDBACK`, what teaches: every outcome (`full`), or those of calls by lists (`called`).
        quiet_days: `BANK_QUIET_DAYS`, days of wall time without a delivery that cause an alert.
        sensors_running: `BANK_SENSORS_RUNNING`, start schedules and sensors without a person.
        sensor_seconds: `BANK_SENSOR_SECONDS`, minimum seconds between two ticks of a sensor.
        settle_seconds: `BANK_SETTLE_SECONDS`, a landing file touched more recently is still being written.
        simulated_rows: `BANK_SIMULATED_ROWS`, size of the simulated history.
        spontaneous_share: `BANK_SPONTANEOUS_SHARE`, of simulated customers whom a call wins, who subscribe without it.
        seed: `BANK_SEED`, seed of everything random.
        revision: `BANK_REVISION`, revision of the code where there is no checkout (images).
        contract: `BANK_CONTRACT`, name of a shipped contract or path of a contract file: the columns of the contacts.
    """

    home: Path = Path(".bank")
    lake: str = ""
    landing_bucket: str = ""
    source: str = field(default="auto", repr=False)
    source_query: str = ""
    source_watermark: str = ""
    source_password: str = field(default="", repr=False)
    pull_cron: str = "7 * * * *"
    mlflow_uri: str = ""
    mlflow_artifacts: str = ""
    ledger_url: str = field(default="", repr=False)
    spark_master: str = "local[*]"
    spark_memory: str = "2g"
    economics: Economics = field(default_factory=Economics)
    reject_rate_limit: float = 0.05
    objective: str = "profit"
    threshold: str = "profit"
    search: str = "default"
    search_minutes: float = 20.0
    learning_rows: int = LEARNING_ROWS
    candidates: tuple[str, ...] = ()
    probation: bool = True
    train_nightly: bool = False
    budget_eur: float | None = None
    learning: LearningBudget = LearningBudget()
    contact_policy: ContactPolicy = NO_POLICY
    attribution_days: int = ATTRIBUTION_DAYS
    timezone: str = "Europe/Lisbon"
    alert_urls: tuple[str, ...] = field(default=(), repr=False)
    alert_routes: Routes = field(default_factory=dict)
    public_url: str = "http://127.0.0.1:8000"
    ui_url: str = "http://127.0.0.1:3000"
    feedback: str = FULL
    quiet_days: float = 4.0
    sensors_running: bool = True
    sensor_seconds: int = 30
    settle_seconds: float = 10.0
    simulated_rows: int = 45_211
    spontaneous_share: float = 0.2
    seed: int = 20_101_117
    revision: str = ""
    contract: Contract = field(default_factory=load_contract)

    def at(self, home: Path) -> Settings:
        """The same in another home, with tables, registry, artifacts and ledger in its own files."""
        return replace(
            self,
            home=home,
            lake="",
            landing_bucket="",
            mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
            mlflow_artifacts=(home / "mlartifacts").as_uri(),
            ledger_url=f"sqlite:///{home / 'ledger.db'}",
        )

    @property
    def calling(self) -> Economics:
        """The economics with the rule by which customers are called; models are compared by break-even alone."""
        return replace(self.economics, rule=self.threshold)

    @property
    def landing(self) -> Path:
        """Where deliveries arrive: `contacts/`, `outcomes/`, `campaigns/`."""
        return self.home / "landing"

    @property
    def warehouse(self) -> Path:
        """The register of deliveries, the designs of lists and, unless they have a lake elsewhere, the tables."""
        return self.home / "warehouse"

    @property
    def tables(self) -> str:
        """Where the tables and the raw bytes of deliveries are: a path or `s3://bucket/prefix`."""
        return self.lake or str(self.warehouse)

    @property
    def reports(self) -> Path:
        """Where JSON, HTML and CSV reports for people and for the web app live."""
        return self.home / "reports"

    @property
    def dagster_home(self) -> Path:
        """The Dagster instance folder."""
        return self.home / "dagster"


def contract_name(env: Mapping[str, str] = os.environ) -> str:
    """`BANK_CONTRACT` as a process in any folder finds it: a path is absolute."""
    path = Path(name := env.get(PREFIX + "CONTRACT", "").strip() or DEFAULT).expanduser()
    return str(path.absolute()) if path.is_file() else name


def _home(env: Mapping[str, str], default: Path) -> Path:
    text = env.get(PREFIX + "HOME", "").strip()
    if "://" in text:
        raise SettingsError(
            f"{PREFIX}HOME: expected a folder of this machine, found {_hidden(text)!r}; only {PREFIX}LAKE and "
            f"{PREFIX}LANDING may be in a bucket."
        )
    home = Path(text or default).expanduser().absolute()
    if found := _UNUSABLE_IN_HOME.search(str(home)):
        raise SettingsError(
            f"{PREFIX}HOME: expected a path in UTF-8 without '?', ',' and codes like %41, which Dagster, MLflow or "
            f"Spark would take for another path; found {found[0]!r} in {str(home)!r}. Rename the folder."
        )
    return home


def _place(env: Mapping[str, str], name: str, expected: str, without: str) -> str:
    text = env.get(PREFIX + name, "").strip()
    if _BUCKET.fullmatch(text):
        return text.rstrip("/")
    if ":/" in text or (text and "folder" not in expected):
        raise SettingsError(f"{PREFIX}{name}: expected {expected}, found {_hidden(text)!r}; unset it {without}.")
    return str(Path(text).expanduser().absolute()) if text else ""


def _hidden(address: str) -> str:
    """An address without the key and its secret, which stay out of logs."""
    return re.sub(r"/[^/@]*@", "/…@", address)


def _zone(env: Mapping[str, str], default: str) -> str:
    name = env.get(PREFIX + "TIMEZONE", "").strip() or default
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError) as error:
        if not (known := sorted(available_timezones())):  # an image without time zones, which schedules nothing
            return name
        like = next((zone for zone in known if zone.lower().endswith(name.lower())), default)
        message = f"expected a time zone like {like}, found {name!r}; correct it."
        raise SettingsError(f"{PREFIX}TIMEZONE: {message}") from error


def _cron(env: Mapping[str, str], default: str) -> str:
    text = env.get(PREFIX + "PULL_CRON", "").strip() or default
    if re.fullmatch(r"[0-9*/,\-]+(\s+[0-9A-Za-z*/,\-]+){4}", text):
        return text
    raise SettingsError(f"{PREFIX}PULL_CRON: expected five fields like {default!r}, found {text!r}; correct it.")


def load_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment, or from `env`; paths become absolute.

    A variable with an unusable value is a SettingsError, which names it and what was expected.
    """
    env = os.environ if env is None else env
    feedback = choice(env, "FEEDBACK", FULL, FEEDBACKS)
    defaults = Settings(learning=USUAL_LEARNING if feedback == CALLED else LearningBudget())
    defaults = defaults.at(_home(env, defaults.home))
    return Settings(
        home=defaults.home,
        lake=_place(env, "LAKE", "a folder or s3://bucket/prefix", "for a folder in the home"),
        landing_bucket=_place(env, "LANDING", "s3://bucket/prefix", "to use the folder in the home alone"),
        **{name: env.get(PREFIX + name.upper()) or getattr(defaults, name) for name in _AS_GIVEN},
        source_password=secret_text(env, "SOURCE_PASSWORD"),
        pull_cron=_cron(env, defaults.pull_cron),
        economics=Economics.constant(
            number(env, "COST_EUR", defaults.economics.cost_amount.eur, 0.01, 100_000),
            number(env, "VALUE_EUR", defaults.economics.value_amount.eur, 0.01, MAXIMUM_EUR),
        ),
        reject_rate_limit=number(env, "REJECT_RATE_LIMIT", defaults.reject_rate_limit, 0, 1),
        objective=choice(env, "OBJECTIVE", defaults.objective, ("profit", "f1")),
        threshold=choice(env, "THRESHOLD", defaults.threshold, ("profit", "f1")),
        search=choice(env, "SEARCH", defaults.search, ("default", "full")),
        search_minutes=number(env, "SEARCH_MINUTES", defaults.search_minutes, 0.1, 1_440),
        learning_rows=whole(env, "LEARNING_ROWS", defaults.learning_rows, MINIMUM_LEARNING_ROWS, 10**9),
        candidates=names(env, "CANDIDATES"),
        probation=flag(env, "PROBATION", defaults.probation),
        train_nightly=flag(env, "TRAIN_NIGHTLY", defaults.train_nightly),
        budget_eur=number(env, "BUDGET_EUR", None, 0, MAXIMUM_EUR * 1_000),
        learning=LearningBudget(
            number(env, "LEARNING_SHARE", defaults.learning.share, 0, 1),
            whole(env, "LEARNING_MINIMUM", defaults.learning.minimum, 0, 1_000_000),
            number(env, "LEARNING_EUR", None, 0, MAXIMUM_EUR * 1_000),
        ),
        contact_policy=read_as("CONTACT_POLICY", load_policy, env.get(PREFIX + "CONTACT_POLICY", "").strip()),
        attribution_days=whole(env, "ATTRIBUTION_DAYS", defaults.attribution_days, 1, 366),
        timezone=_zone(env, defaults.timezone),
        alert_urls=names(env, "ALERT_URLS"),
        alert_routes=read_as("ALERT_ROUTES", routes_of, names(env, "ALERT_ROUTES")),
        feedback=feedback,
        quiet_days=number(env, "QUIET_DAYS", defaults.quiet_days, 0.01, 3_650),
        sensors_running=flag(env, "SENSORS_RUNNING", defaults.sensors_running),
        sensor_seconds=whole(env, "SENSOR_SECONDS", defaults.sensor_seconds, 1, 3_600),
        settle_seconds=number(env, "SETTLE_SECONDS", defaults.settle_seconds, 0, 3_600),
        simulated_rows=whole(env, "SIMULATED_ROWS", defaults.simulated_rows, 1, 10**10),
        spontaneous_share=number(env, "SPONTANEOUS_SHARE", defaults.spontaneous_share, 0, 1),
        seed=whole(env, "SEED", defaults.seed, 0, 2**31 - 1),
        contract=read_as("CONTRACT", load_contract, env.get(PREFIX + "CONTRACT", "").strip() or DEFAULT),
    )
