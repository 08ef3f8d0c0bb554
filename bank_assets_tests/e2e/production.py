"""A production-like deployment on this machine: PostgreSQL, an MLflow server, a Spark cluster with two workers.

Each part is the real program on a free loopback port; `Production.stop` ends the processes by pid.
"""

import json
import os
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bank_assets.demo.processes import LOOPBACK, Processes, free_port
from bank_assets_tests.world.postgres import create_database, database_url, restart
from bank_assets_tests.world.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
DATABASES = ("bank_dagster", "bank_mlflow", "bank_ledger")


def get_json(url: str) -> Any:
    """A JSON document, or None while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)
    except OSError:
        return None


@dataclass
class Production:
    """The deployment.

    Attributes:
        folder: everything it writes.
        processes: what was started.
        database: the pgserver object.
        ports: by name.
    """

    folder: Path
    processes: Processes
    database: Any
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "bank"

    @property
    def environment(self) -> dict[str, str | None]:
        return dict(self.processes.environment)

    def url(self, name: str) -> str:
        """URL of a database, as dagster, mlflow and the ledger take it."""
        return database_url(self.database, name)

    def start_mlflow(self) -> None:
        port = self.ports.setdefault("mlflow", free_port())
        self.processes.start(
            "mlflow",
            [
                "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1",
                "--backend-store-uri", self.url("bank_mlflow"), "--serve-artifacts",
                "--artifacts-destination", str(self.folder / "artifacts"),
            ],
        )  # fmt: skip
        self.processes.wait_until("mlflow", port, "/health", 240)

    def start_spark(self) -> None:
        """A master and two workers with one core each."""
        self.ports |= {"master": free_port(), "master_ui": free_port()}
        spark_class = "import os, sys, pyspark; os.execv(*(lambda p: (p, [p, *sys.argv[1:]]))(" \
            "os.path.join(os.path.dirname(pyspark.__file__), 'bin', 'spark-class')))"  # fmt: skip
        master = f"spark://{LOOPBACK}:{self.ports['master']}"
        self.processes.start(
            "spark-master",
            [
                "-c", spark_class, "org.apache.spark.deploy.master.Master", "--host", LOOPBACK,
                "--port", str(self.ports["master"]), "--webui-port", str(self.ports["master_ui"]),
            ],
        )  # fmt: skip
        for number in (1, 2):
            self.processes.start(
                f"spark-worker-{number}",
                [
                    "-c", spark_class, "org.apache.spark.deploy.worker.Worker", "--host", LOOPBACK, "--cores", "1",
                    "--memory", "1g", "--webui-port", "0", "--work-dir", str(self.folder / f"worker-{number}"), master,
                ],
            )  # fmt: skip
        wait_until(lambda: len(self.spark()["workers"]) == 2, 180, "two Spark workers")

    def spark(self) -> dict[str, Any]:
        """What the Spark master says of itself."""
        return get_json(f"http://{LOOPBACK}:{self.ports['master_ui']}/json/") or {"workers": []}

    def restart_postgres(self) -> float:
        """Stop PostgreSQL, cutting every connection, and start it again; returns seconds without a database."""
        began = time.monotonic()
        psutil_kill(self.database.get_pid())
        restart(self.database)
        return time.monotonic() - began

    def start_app(self) -> None:
        port = self.ports.setdefault("app", free_port())
        self.processes.environment = {**self.processes.environment, "BANK_PORT": str(port)}
        self.processes.start("app", ["-m", "serving"])
        self.processes.wait_until("app", port, "/health/live", 120)

    def ready(self) -> dict[str, Any]:
        """What the app says of itself."""
        return get_json(f"http://{LOOPBACK}:{self.ports['app']}/health/ready") or {}

    def stop(self) -> None:
        self.processes.stop()


def psutil_kill(postmaster: int) -> None:
    """SIGINT to the postmaster: fast shutdown, every session is cut."""
    import signal

    import psutil

    process = psutil.Process(postmaster)
    process.send_signal(signal.SIGINT)
    psutil.wait_procs([process], timeout=30)


def make_production(folder: Path, database: Any) -> Production:
    """Databases, MLflow server and Spark cluster, ready; nothing is delivered yet.

    Args:
        folder: everything it writes.
        database: a running private PostgreSQL.
    """
    for name in DATABASES:
        create_database(database, name)
    home = folder / "bank"
    kept: dict[str, str | None] = {name: None for name in os.environ if name.startswith("BANK_")}
    kept |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # its job workers are not needed
    production = Production(folder, Processes(folder / "processes.json", folder / "logs", kept), database)
    try:
        production.start_spark()
        production.start_mlflow()
    except BaseException:
        production.stop()
        raise
    (home / "dagster").mkdir(parents=True)
    (home / "dagster" / "dagster.yaml").write_bytes((ROOT / "deploy" / "dagster.yaml").read_bytes())
    production.processes.environment = {
        **kept,
        "BANK_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "BANK_SOURCE": "simulated",
        "BANK_SIMULATED_ROWS": "9000",
        # psycopg 3, the default of SQLAlchemy 2.1, cannot send the NOTIFY of dagster-postgres.
        "BANK_DAGSTER_URL": production.url("bank_dagster").replace("postgresql:", "postgresql+psycopg2:", 1),
        "BANK_LEDGER_URL": production.url("bank_ledger"),
        "BANK_MLFLOW_URI": f"http://{LOOPBACK}:{production.ports['mlflow']}",
        "BANK_MLFLOW_ARTIFACTS": "mlflow-artifacts:/bank",
        "BANK_SPARK_MASTER": f"spark://{LOOPBACK}:{production.ports['master']}",
        "BANK_SENSORS_RUNNING": "no",
        "SPARK_LOCAL_IP": LOOPBACK,
    }
    assert urlsplit(production.environment["BANK_DAGSTER_URL"]).scheme == "postgresql+psycopg2"
    return production
