"""Creates the secrets of a Compose deployment once, as files: passwords, addresses that contain them, a certificate.

`python3 -m deploy.make_secrets` (called by `make up`) changes nothing that exists: to use your own certificate or
database address, write the file first. Needs only the standard library and openssl. No secret is printed or logged.

Everybody may read the files, but only their owner may enter the folder: Compose mounts each file alone, and the
containers' users are not the owner.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path("deploy/secrets")
OPERATOR = "operator"
DATABASES = ("ledger", "mlflow", "dagster")


def _written(file: Path, text: str) -> bool:
    if file.exists():
        return False
    part = file.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.chmod(0o644)
    part.replace(file)
    return True


def _openssl(*arguments: str, given: str = "") -> str:
    try:
        done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise OSError("secrets: expected the openssl program, found none; apt-get install openssl.") from error
    except subprocess.CalledProcessError as error:
        raise OSError(f"secrets: openssl {arguments[0]} failed: {error.stderr.strip()}") from error
    return done.stdout


def _password(folder: Path, name: str) -> str:
    """A password that was made before, or a new one; hex, so it needs no quoting in an address."""
    file = folder / name
    _written(file, secrets.token_hex(24))
    return file.read_text(encoding="utf-8").strip()


def make(folder: Path, host: str = "localhost") -> list[str]:
    """Write the secrets that are missing.

    Args:
        folder: made if needed, for its owner alone.
        host: name in the certificate.

    Returns:
        Names of the files that were written now.

    Raises:
        OSError: a file cannot be written, or openssl is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    before = {file.name for file in folder.iterdir()}
    _password(folder, "postgres_password")
    for name in DATABASES:
        password = _password(folder, f"{name}_password")
        # Dagster and MLflow hold psycopg2; the ledger picks its own driver.
        driver = "" if name == "ledger" else "+psycopg2"
        _written(folder / f"{name}_url", f"postgresql{driver}://{name}:{password}@postgres:5432/{name}")
    _password(folder, "app_secret")
    _password(folder, "admin_password")
    keys = {"accessKey": _password(folder, "storage_key"), "secretKey": _password(folder, "storage_secret")}
    owner = {"name": "mlflow", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    _written(folder / "storage_identities.json", json.dumps({"identities": [owner]}))
    password = _password(folder, "operator_password")
    if not (folder / "proxy_users.cfg").exists():
        hashed = _openssl("passwd", "-5", "-stdin", given=password).strip()
        _written(folder / "proxy_users.cfg", f"userlist operators\n    user {OPERATOR} password {hashed}\n")
    if not (folder / "certificate.pem").exists():
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", "-", "-nodes")
        names = ("-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host},IP:127.0.0.1")
        _written(folder / "certificate.pem", _openssl("req", "-x509", "-days", "365", *key, *names))
    return sorted({file.name for file in folder.iterdir()} - before)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is missing and name it.

    Returns:
        0, or 1 with a message.
    """
    parser = argparse.ArgumentParser(prog="python3 -m deploy.make_secrets", description="Make missing secrets.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--host", default="localhost", help="name in the certificate")
    parsed = parser.parse_args(arguments)
    try:
        made = make(parsed.folder, parsed.host)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    for name in made:
        print(f"{parsed.folder / name}: made")
    return 0


if __name__ == "__main__":
    sys.exit(main())
