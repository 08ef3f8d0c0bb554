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
from bank_assets.ledger.accounts import Identity
from serving.access import SESSION_COOKIE, Access
from serving.settings import ServingSettings

NO_SUCH_LOGIN = "/login?error=credentials"
TRIES_PER_MINUTE = 10
"""Password guesses per name; ten at once, then one every six seconds."""


class LoginForm(msgspec.Struct, frozen=True):
    """What the login form sends; further fields such as the form token are ignored."""

    name: str
    password: str


@post("/login", operation_id="log_in", include_in_schema=False, request_max_body_size=16_384, status_code=303)
async def log_in(
    data: URLEncodedBody[LoginForm],
    ledger: NamedDependency[Engine],
    access: NamedDependency[Access],
    settings: NamedDependency[ServingSettings],
) -> Response[Any]:
    """Opens a session and goes to the home page, or back to the form with an error."""
    access.spend(Identity(f"login {data.name}", frozenset(), rate_per_minute=TRIES_PER_MINUTE))
    token = await asyncio.to_thread(accounts.log_in, ledger, data.name, data.password, hours=settings.session_hours)
    if token is None:
        return Redirect(NO_SUCH_LOGIN, status_code=303)
    cookie = Cookie(
        SESSION_COOKIE,
        value=token,
        path="/",
        httponly=True,
        secure=settings.is_https,
        samesite="strict",
        max_age=int(settings.session_hours * 3_600),
    )
    return Redirect("/", status_code=303, cookies=[cookie])


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
