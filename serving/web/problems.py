"""Errors as clients and people see them: exceptions, one table to HTTP status, one problem+json shape (RFC 9457)."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import HTTPRouteHandler
from sqlalchemy.exc import DataError, SQLAlchemyError

from bank_assets.contract.errors import ContractError
from bank_assets.core.campaigns.life import LifeError
from bank_assets.core.economics.economics import EconomicsError
from bank_assets.core.economics.exploration import ExplorationError
from bank_assets.core.economics.holdout import HoldoutError
from bank_assets.core.economics.planner import PlanError
from bank_assets.core.economics.suppression import SuppressionError
from bank_assets.core.features.as_of import StateError
from bank_assets.core.model.explanations import ExplainError
from bank_assets.core.model.scorer import BundleError
from bank_assets.ledger.engine import LedgerError
from bank_assets.ledger.outcomes import UnknownDecisionError
from bank_assets.store.campaign_files import UnknownCampaignError
from bank_assets.store.home_json import DamagedFileError
from bank_assets.store.registry import RegistryUnavailableError, UnknownVersionError
from bank_assets.store.standard_webhooks import SignatureError

logger = logging.getLogger(__name__)

PROBLEM_JSON: Final = "application/problem+json"
SHOWN_PATH: Final = 200


class FieldError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field that does not fit.

    Attributes:
        field: delivery name of the field, "" for the whole row.
        expected: what would fit.
        found: what came, as JSON text, shortened.
        rule: name of the rule, if one has a name.
    """

    field: str
    expected: str
    found: str
    rule: str = ""


class ServingError(Exception):
    """Base of what serving raises itself."""


class ChampionUnavailableError(ServingError):
    """There is no model that may answer."""


class StateUnavailableError(ServingError):
    """No as-of state was published, so features cannot be made."""


class RecorderBusyError(ServingError):
    """Too many decisions wait for their commit."""


class LedgerUnavailableError(ServingError):
    """The decision could not be put on record, so it must not be answered."""


class NotFoundError(ServingError):
    """The requested item is not on record."""


class ConflictError(ServingError):
    """The request contradicts what is on record."""


class NotAuthenticatedError(ServingError):
    """No credentials, or credentials that are not valid."""


class ForbiddenError(ServingError):
    """Known, but not allowed."""


class RateLimitedError(ServingError):
    """Too many requests under this key."""


class MediaTypeError(ServingError):
    """A body in a format that is not read here."""


class PayloadError(ServingError):
    """Input that does not fit the contract, field by field."""

    def __init__(self, *errors: FieldError) -> None:
        self.errors = errors
        super().__init__(first_of(errors))


def first_of(errors: tuple[FieldError, ...]) -> str:
    """The first of several faults as a sentence, with how many more there are."""
    first = errors[0]
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{first.field or 'body'}: expected {first.expected}, found {first.found}{more}; correct the request."


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one error body (RFC 9457).

    Attributes:
        type: what kind of problem, stable, relative URI.
        title: the kind in words.
        status: HTTP status.
        detail: what was expected, what was found, what to do.
        instance: path of the request.
        request_id: also in the log and in the `X-Request-ID` header.
        errors: fields that do not fit.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    request_id: str = ""
    errors: tuple[FieldError, ...] = ()


UNKNOWN: Final = (UnknownDecisionError, UnknownCampaignError, UnknownVersionError, NotFoundError)
# Exceptions -> status, slug, title. The first match counts, so subclasses stand before their bases.
STATUS: Final[tuple[tuple[tuple[type[Exception], ...], int, str, str], ...]] = (
    ((MediaTypeError,), 415, "media-type", "The body's format is not read here"),
    ((PayloadError, ContractError, DataError), 422, "payload", "The input does not fit the contract"),
    ((EconomicsError,), 422, "economics", "The economics cannot be used"),
    ((PlanError, HoldoutError, ExplorationError, SuppressionError), 422, "plan", "The limits cannot be used"),
    ((ValidationException,), 422, "parameters", "A parameter cannot be used"),
    (UNKNOWN, 404, "not-found", "Not on record"),
    ((ConflictError, LifeError), 409, "conflict", "Contradicts what is on record"),
    ((SignatureError,), 401, "signature", "The message is not signed as it must be"),
    ((NotAuthenticatedError,), 401, "not-authenticated", "Credentials are needed"),
    ((ForbiddenError,), 403, "forbidden", "Not allowed"),
    ((RateLimitedError,), 429, "rate-limited", "Too many requests"),
    ((ChampionUnavailableError,), 503, "no-champion", "There is no champion"),
    ((StateUnavailableError, StateError), 503, "no-state", "No as-of state is published"),
    ((RecorderBusyError,), 503, "busy", "Too many decisions wait for their record"),
    ((LedgerUnavailableError,), 503, "ledger", "The ledger cannot be written"),
    ((LedgerError, SQLAlchemyError), 503, "ledger", "The ledger cannot be used"),
    ((RegistryUnavailableError,), 503, "registry", "The model registry does not answer"),
    ((BundleError,), 503, "bundle", "The model bundle cannot be used"),
    ((DamagedFileError,), 503, "home", "A file of the home cannot be read"),
    ((ExplainError,), 503, "bundle", "The model bundle cannot explain"),
)

# What to do about errors that the framework raises, which says no more than their name.
HTTP_DETAIL: Final = {
    403: "form: expected the token of a page that was opened here, found none or an old one; open the page again.",
    404: "address: expected one of this app, found none here; the API is described at /docs.",
    405: "method: expected one that the Allow header names, found another; the API is described at /docs.",
}

PARAMETER_WORDS: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "date": "a day YYYY-MM-DD",
    "null": "nothing",
}

RETRY_AFTER: Final = {429: "1", 503: "2"}


def problem_of(error: Exception, request: Request[Any, Any, Any] | None = None) -> ProblemDetails:
    """The problem that an exception stands for."""
    for kinds, status, slug, title in STATUS:
        if isinstance(error, kinds):
            errors = error.errors if isinstance(error, PayloadError) else _parameters(error, request)
            detail = first_of(errors) if errors else _detail(error)
            return ProblemDetails(f"/problems/{slug}", title, status, detail, errors=errors)
    if isinstance(error, HTTPException):
        detail = HTTP_DETAIL.get(error.status_code, error.detail)
        if isinstance(error, RequestEntityTooLarge) and request is not None:
            handler = request.scope["route_handler"]
            most = handler.resolve_request_max_body_size() if isinstance(handler, HTTPRouteHandler) else None
            detail = f"body: expected at most {most or 0:,} bytes, found more; split it."
        return ProblemDetails("about:blank", HTTPStatus(error.status_code).phrase, error.status_code, detail)
    return ProblemDetails(
        "/problems/internal",
        "An error of this program",
        500,
        "This is not your fault; the error is logged under the request id, please report it.",
    )


def _detail(error: Exception) -> str:
    if isinstance(error, ValidationException):
        return "parameters: expected them as /docs shows, found others; correct the request."
    if isinstance(error, DataError):
        return (
            "text: expected what the ledger's database can keep, found something else, such as NUL; nothing was kept."
        )
    if isinstance(error, SQLAlchemyError):
        # Driver messages carry statements and parameters, which are customer data.
        return "expected to reach the ledger's database, found an error; nothing was recorded. Try again shortly."
    return str(error)


def _parameters(error: Exception, request: Request[Any, Any, Any] | None) -> tuple[FieldError, ...]:
    """Faults of parameters; the framework leaves out what was found."""
    if not isinstance(error, ValidationException) or not isinstance(error.extra, list):
        return ()
    given = {} if request is None else request.query_params
    faults = [(str(one.get("key", "")), str(one.get("message", ""))) for one in error.extra if isinstance(one, dict)]
    return tuple(
        FieldError(key, _expected(message), repr(given[key])[:60] if key in given else "another value")
        for key, message in faults
    )


def _expected(message: str) -> str:
    """What msgspec's message about a parameter expects, in words."""
    text = message.replace("`", "").partition(", got ")[0]
    expected = text.removeprefix("Expected ").removeprefix("Invalid RFC3339 encoded ").removesuffix(" | null")
    if expected == "Number out of range":
        return "a number that a double holds"
    for name, word in PARAMETER_WORDS.items():
        expected = re.sub(rf"\b{name}\b", word, expected)
    return expected or "a value"


def handle_exception(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The one exception handler of the app."""
    problem = problem_of(error, request)
    request_id = str(getattr(request.scope.get("bank"), "request_id", ""))
    problem = msgspec.structs.replace(problem, instance=request.scope["path"][:SHOWN_PATH], request_id=request_id)
    if problem.status >= 500 and problem.type == "/problems/internal":
        logger.exception("unhandled error", exc_info=error, extra={"request_id": request_id})
    elif problem.status >= 500:
        logger.error(
            "request failed", extra={"request_id": request_id, "problem": problem.type, "error": type(error).__name__}
        )
    wants_page = not request.scope["path"].startswith("/api") and "text/html" in request.headers.get("accept", "")
    response = request.app.state.error_page(request, problem) if wants_page else _problem_json(problem)
    if problem.status in RETRY_AFTER:
        response.headers["Retry-After"] = RETRY_AFTER[problem.status]
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, HTTPException):
        response.headers.update(error.headers or {})
    if "GET" in (allowed := response.headers.get("allow", "")):
        response.headers["allow"] = f"{allowed}, HEAD"
    return response


def _problem_json(problem: ProblemDetails) -> Response[bytes]:
    return Response(msgspec.json.encode(problem), status_code=problem.status, media_type=PROBLEM_JSON)
