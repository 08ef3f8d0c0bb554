"""`POST /login` and `POST /logout`: form posts that open and close a session. The form itself is a page."""

from __future__ import annotations

import asyncio
from typing import Any

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
from serving.web.log_ins import LogIns, browser_of, source_of

NO_SUCH_LOGIN = "/login?error=credentials"
BROWSER_COOKIE = "bank_browser"
BROWSER_SECONDS = 180 * 86_400
"""How long a browser is known as one in which this user has logged in; its guesses are then counted by themselves."""


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
        return Redirect(NO_SUCH_LOGIN, status_code=303)

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
