"""`POST /login` and `POST /logout`. The form itself is a page of Home.

Guessers can neither slow down password checks for others nor lock anybody out.
A check costs about 0.1 s of processor time by design, so checks run in one thread of their own, which rests as long as
it works. A source (an address, or a browser in which this user has logged in before) may fail a few times at once and
then at a slow rate. There is no limit by user name, because it would let anybody lock out a named user. The source with
the fewest recent failures is next; when too many wait, the one with the most is refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import itertools
import secrets
import time
from bisect import insort
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from litestar import Request, Response, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import Engine

from bank_assets.ledger import accounts
from serving.settings import ServingSettings
from serving.web.access import SESSION_COOKIE, Access
from serving.web.futures import settle
from serving.web.limits import Buckets
from serving.web.problems import RateLimitedError

# Failed log-ins of one source: so many at once, then so many a minute.
FAILURES_AT_ONCE: Final = 10
FAILURES_PER_MINUTE: Final = 10
MAX_WAITING: Final = 50  # most tries that wait for the thread: some seconds of its work
# How long the thread rests after a check, in times of its duration: guessers get half of one thread at most.
REST: Final = 1.0
BROWSER_COOKIE: Final = "bank_browser"
# How long a browser is known as one in which this user has logged in; its guesses are then counted by themselves.
BROWSER_SECONDS: Final = 180 * 86_400


@dataclass(order=True, slots=True)
class _Try:
    failures: float
    number: int
    check: Callable[[], str | None] = field(compare=False)
    answer: asyncio.Future[str | None] = field(compare=False)


class LogIns:
    """Checks passwords, one after the other, the least suspicious first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._failures = Buckets(clock)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log-in")
        self._waiting: list[_Try] = []
        self._numbers = itertools.count()
        self._has_work = asyncio.Event()

    async def check(self, source: str, check: Callable[[], str | None]) -> str | None:
        """Check a password when its turn comes.

        Raises:
            RateLimitedError: too many failures of this source, or too many tries of all; the password was not checked.
        """
        failures = self._failures.spend(source, FAILURES_AT_ONCE, FAILURES_PER_MINUTE)
        if failures is None:
            raise RateLimitedError(
                f"log-in: expected at most {FAILURES_AT_ONCE} failed tries at once from here, found more; "
                f"wait {60 // FAILURES_PER_MINUTE} s and try again. Nobody was locked out."
            )
        one = _Try(failures, next(self._numbers), check, asyncio.get_running_loop().create_future())
        insort(self._waiting, one)
        self._has_work.set()
        if len(self._waiting) > MAX_WAITING:
            refusal = RateLimitedError(
                f"log-in: expected at most {MAX_WAITING} tries to wait for their check, found more; "
                "try again in a moment."
            )
            settle(self._waiting.pop().answer, None, refusal)
        token = await one.answer
        if token is not None:
            self._failures.give_back(source)
        return token

    async def work(self) -> None:
        """Check what waits, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._has_work.wait()
            one = self._waiting.pop(0)
            if not self._waiting:
                self._has_work.clear()
            if one.answer.done():  # the client hung up
                continue
            started = loop.time()
            try:
                found, fault = await loop.run_in_executor(self._thread, one.check), None
            except Exception as error:
                # A client waits for the answer, so every error is passed on to become a response.
                found, fault = None, error
            settle(one.answer, found, fault)
            await asyncio.sleep(REST * (loop.time() - started))

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def source_of(address: str, name: str, browser: str, secret: str) -> str:
    """Who tries to log in: a browser in which this user has logged in before, else its address."""
    token_id = browser.partition(".")[0]
    if token_id and hmac.compare_digest(browser.encode(), _signed(token_id, name, secret).encode()):
        return f"browser {token_id}"
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"address {address}"
    # One customer of a provider has a whole /64 of addresses.
    return f"address {ipaddress.ip_network((found, 64), strict=False) if found.version == 6 else found}"


def browser_of(name: str, secret: str) -> str:
    """A cookie for a browser in which a user has just logged in; worth nothing for another user or secret."""
    return _signed(secrets.token_hex(8), name, secret)


def _signed(token_id: str, name: str, secret: str) -> str:
    return f"{token_id}.{hmac.new(secret.encode(), f'browser {token_id} {name}'.encode(), hashlib.sha256).hexdigest()}"


class LoginForm(msgspec.Struct, frozen=True):
    """What the login form sends; further fields such as the form token are ignored."""

    name: str
    password: str


@post("/login", operation_id="log_in", include_in_schema=False, request_max_body_size=16_384, status_code=303)
async def log_in(
    request: Request[Any, Any, Any],
    data: URLEncodedBody[LoginForm],
    ledger: NamedDependency[Engine],
    log_ins: NamedDependency[LogIns],
    settings: NamedDependency[ServingSettings],
) -> Response[Any]:
    """Opens a session and goes to the home page, or back to the form with an error."""
    address = request.client.host if request.client is not None else ""
    source = source_of(address, data.name, request.cookies.get(BROWSER_COOKIE, ""), settings.secret)
    token = await log_ins.check(
        source, lambda: accounts.log_in(ledger, data.name, data.password, hours=settings.session_hours)
    )
    if token is None:
        return Redirect("/login?error=credentials", status_code=303)

    def cookie(name: str, value: str, path: str, seconds: int) -> Cookie:
        return Cookie(
            name, value=value, path=path, httponly=True, secure=settings.is_https, samesite="strict", max_age=seconds
        )

    session = cookie(SESSION_COOKIE, token, "/", int(settings.session_hours * 3_600))
    browser = cookie(BROWSER_COOKIE, browser_of(data.name, settings.secret), "/login", BROWSER_SECONDS)
    return Redirect("/", status_code=303, cookies=[session, browser])


@post("/logout", operation_id="log_out", include_in_schema=False, status_code=303)
async def log_out(
    request: Request[Any, Any, Any], ledger: NamedDependency[Engine], access: NamedDependency[Access]
) -> Response[Any]:
    """Ends the session and goes to the login form."""
    token = request.cookies.get(SESSION_COOKIE)
    if token:
        await asyncio.to_thread(accounts.log_out, ledger, token)
        access.forget(token)
    return Redirect("/login", status_code=303, cookies=[Cookie(SESSION_COOKIE, value="", path="/", max_age=0)])
