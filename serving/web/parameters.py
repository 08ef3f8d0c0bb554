"""Refusal of undeclared query parameters in the JSON API.

A search with a misspelled criterion would otherwise return every decision and look like an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from litestar.params import QueryParameter

from serving.web.problems import FieldError, PayloadError

if TYPE_CHECKING:
    from litestar.handlers import BaseRouteHandler

API: Final = "/api/"
_SHOWN: Final = 60
_known: dict[Any, tuple[str, ...]] = {}
"""By handler function; as many as there are routes."""


def refuse_unknown(handler: BaseRouteHandler, query: bytes) -> None:
    """Refuse a query string that names what the route does not know."""
    key = handler.fn
    if key not in _known:
        _known[key] = _declared(handler)
    known = _known[key]
    given = dict.fromkeys(name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    unknown = [name for name in given if name not in known]
    if unknown:
        expected = f"only the parameters {', '.join(known)}" if known else "no parameter"
        raise PayloadError(*(FieldError(name[:_SHOWN], expected, "an unknown parameter") for name in unknown[:20]))


def _declared(handler: BaseRouteHandler) -> tuple[str, ...]:
    """Names that the handler's signature declares as query parameters."""
    return tuple(
        name
        for name, field in handler.parsed_fn_signature.parameters.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    )
