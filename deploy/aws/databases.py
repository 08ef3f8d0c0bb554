"""Prepares the databases before a new version starts: owners, databases, migrations, first user.

It runs in the pipeline image as the ECS task `migrate` (`release.py` starts it and waits). Each step finds out whether
it has work, so an interrupted run is simply repeated.

Environment: DAGSTER_HOME, PGHOST, PGPORT, PGUSER, PGPASSWORD (the administrator), BANK_PASSWORD_LEDGER,
BANK_PASSWORD_DAGSTER, BANK_PASSWORD_MLFLOW (the owners' passwords, which are set and so rotated here),
BANK_PASSWORD_ADMIN (of the web app's first user, created only while there is neither user nor key).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import psycopg
import yaml
from psycopg import sql
from sqlalchemy.engine import URL

from bank_assets.ledger import accounts
from bank_assets.ledger.engine import opened_ledger, upgrade

DATABASES: Final = ("ledger", "dagster", "mlflow")
_ADMINISTRATOR: Final = ("PGUSER", "PGPASSWORD")


def main(env: Mapping[str, str] = os.environ) -> int:
    """Do all steps in order.

    Returns:
        0, or 1 with the step that failed on standard error.
    """
    missing = [name for name in _needed() if not env.get(name)]
    if missing:
        print(f"migrate: expected the variables {', '.join(missing)}, found none; see deploy/aws/databases.py.")
        return 1
    steps: tuple[tuple[str, Callable[[Mapping[str, str]], str]], ...] = (
        ("databases", make_databases),
        ("ledger", migrate_ledger),
        ("first user", make_first_user),
        ("dagster", migrate_dagster),
        ("mlflow", migrate_mlflow),
    )
    for name, step in steps:
        try:
            print(f"{name}: {step(env)}", flush=True)
        except Exception as error:
            print(f"{name}: failed: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    return 0


def _needed() -> list[str]:
    return [
        "PGHOST",
        "DAGSTER_HOME",
        *_ADMINISTRATOR,
        *(f"BANK_PASSWORD_{name.upper()}" for name in (*DATABASES, "admin")),
    ]


def make_databases(env: Mapping[str, str]) -> str:
    """Make what is missing of owners and databases, and set the owners' passwords.

    Returns:
        What was made.
    """
    made = []
    connection = psycopg.connect(
        host=env["PGHOST"],
        port=env.get("PGPORT", "5432"),
        user=env["PGUSER"],
        password=env["PGPASSWORD"],
        dbname="postgres",
        autocommit=True,  # CREATE DATABASE cannot run in a transaction
    )
    with connection:
        for name in DATABASES:
            owner, password = sql.Identifier(name), sql.Literal(env[f"BANK_PASSWORD_{name.upper()}"])
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(owner))
                # An administrator without superuser rights (RDS) must be a member of a role to make it the owner.
                connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(owner))
                made.append(f"owner {name}")
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(owner, password))
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(owner, owner))
                made.append(f"database {name}")
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(owner))
    return ", ".join(made) or "nothing to make, passwords set"


def _url(env: Mapping[str, str], name: str, driver: str = "postgresql") -> str:
    url = URL.create(
        driver,
        username=name,
        password=env[f"BANK_PASSWORD_{name.upper()}"],
        host=env["PGHOST"],
        port=int(env.get("PGPORT", "5432")),
        database=name,
    )
    return url.render_as_string(hide_password=False)


def migrate_ledger(env: Mapping[str, str]) -> str:
    """Bring the ledger to this version's tables.

    Returns:
        The revisions before and after.
    """
    with opened_ledger(_url(env, "ledger"), migrate=False) as ledger:
        change = upgrade(ledger)
    return f"revision {change.before or 'empty'} to {change.after}"


def make_first_user(env: Mapping[str, str]) -> str:
    """Create the user `admin` if nobody could log in otherwise; without a login the app refuses to start.

    Returns:
        Whether it was made.
    """
    with opened_ledger(_url(env, "ledger"), migrate=False) as ledger:
        if accounts.has_credentials(ledger):
            return "there is one"
        accounts.create_user(ledger, "admin", env["BANK_PASSWORD_ADMIN"], "admin")
        return "made admin, password in the secret app-admin"


def migrate_dagster(env: Mapping[str, str]) -> str:
    """Bring Dagster's tables to the installed version; the first connection creates them.

    With the storage of the deployment's instance and nothing else of it: its run launcher would ask ECS for rights that
    this task does not have.
    """
    stated = yaml.safe_load((Path(env["DAGSTER_HOME"]) / "dagster.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        storage = {"storage": stated["storage"], "telemetry": {"enabled": False}}
        (Path(folder) / "dagster.yaml").write_text(yaml.safe_dump(storage))
        _run([sys.executable, "-m", "dagster", "instance", "migrate"], dict(env) | {"DAGSTER_HOME": folder})
    return "migrated"


def migrate_mlflow(env: Mapping[str, str]) -> str:
    """Bring MLflow's tables to the installed version; two servers that start on an empty database would race.

    Returns:
        Whether tables were made or migrated.
    """
    owner = {"PGUSER": "mlflow", "PGPASSWORD": env["BANK_PASSWORD_MLFLOW"], "GIT_PYTHON_REFRESH": "quiet"}
    with psycopg.connect(_url(env, "mlflow")) as connection:
        is_empty = connection.execute("SELECT to_regclass('alembic_version') IS NULL").fetchone() == (True,)
    address = "postgresql+psycopg2:///mlflow"
    code = f"import mlflow; mlflow.MlflowClient({address!r}).search_experiments(max_results=1)"
    command = [sys.executable, "-c", code] if is_empty else [sys.executable, "-m", "mlflow", "db", "upgrade", address]
    _run(command, dict(env) | owner)
    return "made" if is_empty else "migrated"


def _run(command: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[1:4])} ended with {done.returncode}: {done.stderr[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
