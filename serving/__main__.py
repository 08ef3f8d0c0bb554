"""Command line of the web app: serve, and manage its accounts and its record.

`python -m serving` serves; `migrate`, `user`, `key`, `verify`, `cover` and `erase` work on the ledger and end.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence
from datetime import date
from typing import Final

from bank_assets.contract.values import NumberError, iso_day, number_within
from bank_assets.environment import SettingsError
from bank_assets.landing.contract_in_use import check_contract
from bank_assets.ledger import accounts, chain, events
from bank_assets.ledger.engine import LedgerError, open_ledger, opened_ledger, upgrade, writing
from bank_assets.store.personal_files import Erased
from serving.settings import ServingSettings, load_serving_settings

STARTUP_FAILURE: Final = 3  # exit code when the app did not start; its log says why

# How long an idle connection stays open: longer than a proxy keeps it (haproxy 10 s, AWS load balancers 60 s), so
# that a proxy never sends a request into a connection that is being closed.
KEEP_ALIVE_SECONDS: Final = 75


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed, load_serving_settings()))
    except (SettingsError, LedgerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(title="commands")
    commands.add_parser("serve", help="serve (the default)").set_defaults(run=_serve)
    commands.add_parser("migrate", help="bring the ledger to this version's tables").set_defaults(run=_migrate)
    user = commands.add_parser("user", help="create a user, or give one a new password")
    user.add_argument("name")
    user.add_argument(
        "--role",
        choices=accounts.ROLES,
        help=f"without it an existing user keeps the role and a new one gets {accounts.NEW_USER_ROLE}",
    )
    user.add_argument("--disable", action="store_true", help="lock the user out instead")
    user.set_defaults(run=_user)
    key = commands.add_parser("key", help="create an API key and print it once")
    key.add_argument("name")
    key.add_argument("--scope", action="append", choices=accounts.SCOPES, default=[])
    key.add_argument("--rate", type=_rate, default=6_000, help="requests a minute")
    key.add_argument("--revoke", action="store_true", help="revoke it instead")
    key.set_defaults(run=_key)
    verify = commands.add_parser("verify", help="verify the record: both hash chains and all that they cover")
    verify.add_argument("--anchor", help="what an earlier verification printed")
    verify.set_defaults(run=_verify)
    cover = commands.add_parser(
        "cover",
        help="put rows that no event covers on record as they are",
        description="An earlier release that runs beside this one during an update records without events, and "
        "`verify` names its rows. Look at them before you put them on record.",
    )
    cover.add_argument("--reason", required=True, help="kept on record; no personal data")
    cover.set_defaults(run=_cover)
    erase = commands.add_parser(
        "erase",
        help="remove customers' data from ledger and files",
        description="Says how many records and files would lose their customer's data, and removes it only when that "
        "is confirmed: at the prompt of a terminal, or by --yes. May be repeated after an interruption.",
    )
    erase.add_argument("--contact-id", help="everything about this contact")
    erase.add_argument("--customer-id", help="everything about this person, whatever the contact")
    erase.add_argument("--decided-before", metavar="YYYY-MM-DD", help="everything decided before this day, UTC")
    erase.add_argument("--reason", required=True, help="kept on record; no personal data")
    erase.add_argument("--yes", action="store_true", help="erase without a prompt")
    erase.set_defaults(run=_erase)
    return parser


def _rate(text: str) -> int:
    try:
        return int(number_within(text, 1, 1_000_000, is_whole=True))
    except NumberError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _serve(_parsed: argparse.Namespace, settings: ServingSettings) -> int:
    import uvicorn

    from serving.app import check_bind, create_app, prepare_ledger
    from serving.lifecycle import DrainingServer
    from serving.web.logs import configure

    configure()
    check_contract(settings.platform.warehouse, settings.platform.contract)
    app = create_app(settings, access_log=sys.stderr.buffer)
    services = app.state.services
    if not settings.is_local_mode:
        prepare_ledger(services)
        check_bind(services)
    mode = "local mode, no login: only this machine can reach it" if settings.is_local_mode else "login required"
    print(f"serving on http://{settings.host}:{settings.port} ({mode})", flush=True)  # noqa: T201
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    server = DrainingServer(config, services.lifecycle, settings.drain_seconds)
    server.run()
    return 0 if server.started else STARTUP_FAILURE


def _migrate(_parsed: argparse.Namespace, settings: ServingSettings) -> int:
    with opened_ledger(settings.platform.ledger_url, migrate=False) as engine:
        change = upgrade(engine)
    done = "nothing to do" if change.before == change.after else f"was {change.before or 'empty'}"
    print(f"ledger: tables of revision {change.after} ({done})")  # noqa: T201
    return 0


def _user(parsed: argparse.Namespace, settings: ServingSettings) -> int:
    engine = open_ledger(settings.platform.ledger_url)
    if parsed.disable:
        accounts.disable_user(engine, parsed.name, actor=getpass.getuser())
        return 0
    password = getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    accounts.create_user(engine, parsed.name, password, parsed.role, actor=getpass.getuser())
    return 0


def _key(parsed: argparse.Namespace, settings: ServingSettings) -> int:
    engine = open_ledger(settings.platform.ledger_url)
    if parsed.revoke:
        if not accounts.revoke_key(engine, parsed.name, actor=getpass.getuser()):
            raise LedgerError(f"key: expected a valid key to revoke, found none named {parsed.name!r}; check the name.")
        return 0
    key = accounts.create_key(engine, parsed.name, parsed.scope, parsed.rate, actor=getpass.getuser())
    print(key)  # noqa: T201
    return 0


def _verify(parsed: argparse.Namespace, settings: ServingSettings) -> int:
    anchor = chain.Anchor.parse(parsed.anchor) if parsed.anchor else None
    result = chain.verify(open_ledger(settings.platform.ledger_url), anchor)
    at = result.first_bad_seq or (result.first_bad_event and f"event {result.first_bad_event}")
    fault = f"; {f'at {at}: ' if at else ''}{result.why}" if result.why else ""
    state = f"{'ok' if result.ok else 'BROKEN'}: {result.n} decisions, {result.erased} erased, {result.events} events"
    state += f", {result.rows} rows of lists"
    print(f"{state}; anchor {result.head}{fault}")  # noqa: T201
    return 0 if result.ok else 1


def _cover(parsed: argparse.Namespace, settings: ServingSettings) -> int:
    with opened_ledger(settings.platform.ledger_url) as engine, writing(engine) as connection:
        n = events.cover(connection, actor=getpass.getuser(), reason=parsed.reason)
    print(f"{n} rows that no event covers are on record as they are")  # noqa: T201
    return 0


def _erase(parsed: argparse.Namespace, settings: ServingSettings) -> int:
    from serving.dependencies import personal_data

    engine = open_ledger(settings.platform.ledger_url)
    before = None if parsed.decided_before is None else _day("--decided-before", parsed.decided_before)
    whose = {"contact_id": parsed.contact_id, "customer_id": parsed.customer_id, "decided_before": before}
    data = personal_data(settings, engine)
    found = data.count(**whose)
    print(f"{_shown(found)} would lose their customer's data for good")  # noqa: T201
    if not any(found):
        return 0
    if not parsed.yes and not (sys.stdin.isatty() and input("erase it? (yes/no) ").strip().lower() == "yes"):
        print("dry run: nothing was erased; add --yes to erase")  # noqa: T201
        return 0
    erased = data.erase(actor=getpass.getuser(), reason=parsed.reason, **whose)
    print(f"erased {_shown(erased)}")  # noqa: T201
    return 0


def _shown(erased: Erased) -> str:
    return f"{erased.records} records and {erased.files} files"


def _day(option: str, text: str) -> date:
    day = iso_day(text)
    if day is None:
        raise ValueError(f"{option}: expected a day as YYYY-MM-DD, found {text!r}; nothing was erased.")
    return day


if __name__ == "__main__":
    sys.exit(main())
