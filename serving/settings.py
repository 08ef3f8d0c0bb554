"""Settings of the web app: the platform's own, and what only serving needs."""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bank_assets.environment import PREFIX, SettingsError, flag, names, number, secret_text, whole
from bank_assets.revision import git_revision
from bank_assets.settings import Settings, load_settings
from bank_assets.store.atomic_files import replacing
from bank_assets.store.locks import locked
from bank_assets.store.standard_webhooks import SignatureError, key_of

SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """Everything that differs between deployments of the web app.

    Attributes:
        platform: the platform's settings (`BANK_HOME`, ledger, registry, economics).
        host: `BANK_HOST`, address to bind.
        port: `BANK_PORT`, port to bind.
        is_login_required: `BANK_LOGIN`, ask for credentials on a loopback address too (set it behind a proxy).
        is_https: `BANK_HTTPS`, cookies are only sent over HTTPS and browsers are told to stay there.
        secret: `BANK_SECRET`, signs form tokens; replicas must share it. Default: made once under `BANK_HOME`.
        webhook_secrets: `BANK_WEBHOOK_SECRETS`, or the content of the file `BANK_WEBHOOK_SECRETS_FILE`: secrets of
            received webhooks, `whsec_…`, separated by commas or blanks; all of them hold while one follows another.
        allowed_hosts: `BANK_ALLOWED_HOSTS`, comma-separated host names answered without login; other names are refused
            then, against DNS rebinding.
        session_hours: `BANK_SESSION_HOURS`, life of a login.
        poll_seconds: `BANK_POLL_SECONDS`, how often the registry's alias and the as-of state are looked up.
        max_waiting: `BANK_MAX_WAITING`, decisions waiting for their commit before the app answers 503.
        shutdown_seconds: `BANK_SHUTDOWN_SECONDS`, time given to accepted requests at a stop.
        drain_seconds: `BANK_DRAIN_SECONDS`, how long to go on answering after SIGTERM while readiness says no, so that
            a proxy looks elsewhere first; longer than its check interval times its failure count. Unset: stop at once.
        migrates: `BANK_MIGRATE`, bring the ledger's tables to this version's revision at the start. Say no where
            replicas are rolled: there `python -m serving migrate` runs once, before the first of them.
        code_version: `BANK_CODE_VERSION`, revision recorded with each decision; default the one that a model's lineage
            names too: `BANK_REVISION`, else what git says.
    """

    platform: Settings = field(default_factory=Settings)
    host: str = "127.0.0.1"
    port: int = 8000
    is_login_required: bool = False
    is_https: bool = False
    secret: str = field(default="", repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "::1", "testserver.local")
    session_hours: float = 10.0
    poll_seconds: float = 2.0
    max_waiting: int = 2_000
    shutdown_seconds: int = 30
    drain_seconds: float = 0.0
    migrates: bool = True
    code_version: str = "unknown"

    @property
    def is_loopback(self) -> bool:
        """True if only this machine can reach the bound address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_local_mode(self) -> bool:
        """True if everybody who reaches the app may do everything: loopback address, login not required."""
        return self.is_loopback and not self.is_login_required

    @property
    def bundles(self) -> Path:
        """Where verified bundles are kept, the last good one among them."""
        return self.platform.home / "serving"


def _secret(env: Mapping[str, str], folder: Path) -> str:
    if given := env.get(PREFIX + "SECRET", "").strip():
        if len(given) < SECRET_BYTES:
            raise SettingsError(
                f"{PREFIX}SECRET: expected at least {SECRET_BYTES} characters, found {len(given)}; make "
                "one with: python -c 'import secrets; print(secrets.token_hex(32))'"
            )
        return given
    file = folder / "secret"
    if not _is_written(file):
        with locked(folder / ".secret.lock"):  # processes that start together use one secret
            if not _is_written(file):
                with replacing(file) as stream:
                    os.fchmod(stream.fileno(), 0o600)
                    stream.write(secrets.token_hex(SECRET_BYTES).encode())
    return file.read_text().strip()


def _is_written(file: Path) -> bool:
    """Whether a file is there and not empty, as a full disk once left it."""
    return file.is_file() and file.stat().st_size > 0


def _webhook_secrets(env: Mapping[str, str]) -> tuple[str, ...]:
    secrets = tuple(secret_text(env, "WEBHOOK_SECRETS").replace(",", " ").split())
    try:
        for secret in secrets:
            key_of(secret)
    except SignatureError as error:
        raise SettingsError(f"{PREFIX}WEBHOOK_SECRETS: {error}") from error
    return secrets


def load_serving_settings(env: Mapping[str, str] | None = None) -> ServingSettings:
    """Read the settings from the environment.

    Raises:
        SettingsError: a variable has an unusable value; it is named with what was expected.
    """
    env = os.environ if env is None else env
    platform = load_settings(env)
    defaults = ServingSettings()
    return ServingSettings(
        platform=platform,
        host=env.get(PREFIX + "HOST", "").strip() or defaults.host,
        port=whole(env, "PORT", defaults.port, 1, 65_535),
        is_login_required=flag(env, "LOGIN", defaults.is_login_required),
        is_https=flag(env, "HTTPS", defaults.is_https),
        secret=_secret(env, platform.home / "serving"),
        webhook_secrets=_webhook_secrets(env),
        allowed_hosts=names(env, "ALLOWED_HOSTS") or defaults.allowed_hosts,
        session_hours=number(env, "SESSION_HOURS", defaults.session_hours, 0.001, 720),
        poll_seconds=number(env, "POLL_SECONDS", defaults.poll_seconds, 0.001, 3_600),
        max_waiting=whole(env, "MAX_WAITING", defaults.max_waiting, 1, 1_000_000),
        shutdown_seconds=whole(env, "SHUTDOWN_SECONDS", defaults.shutdown_seconds, 1, 3_600),
        drain_seconds=number(env, "DRAIN_SECONDS", defaults.drain_seconds, 0, 600),
        migrates=flag(env, "MIGRATE", defaults.migrates),
        code_version=env.get(PREFIX + "CODE_VERSION", "").strip() or git_revision(platform.revision),
    )
