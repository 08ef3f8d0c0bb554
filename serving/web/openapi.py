"""What the OpenAPI document says beyond signatures: bodies with examples, problems by status, the required scope.

Litestar's default error (400 with another shape) is removed, because it is never sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIResponse, Operation, RequestBody, Schema

from serving.web.problems import PROBLEM_JSON, ProblemDetails

# Statuses of every operation: credentials, scope, parameters, the key's rate, the ledger.
ANY: Final = (401, 403, 422, 429, 503)
BODY: Final = (413, 415)  # statuses of every operation with a body
SECTION: Final = re.compile(r"^\s*(?:Args|Attributes|Returns|Raises):", re.MULTILINE)
WORDS: Final = {
    401: "No or wrong credentials.",
    403: "The key or role lacks the scope, or the request comes from another site's page.",
    404: "Not on record.",
    409: "Contradicts what is on record.",
    413: "The body is too long.",
    415: "The body's format is not read here.",
    422: "The input does not fit the contract; `errors` names field, expected and found.",
    429: "More requests than the key's limit; `Retry-After` says when to come back.",
    503: "No champion or no as-of state, or the ledger cannot be written; nothing was recorded.",
}


def prose(docstring: str) -> str:
    """A docstring without its sections, which are for readers of the code."""
    return SECTION.split(docstring, maxsplit=1)[0].strip()


def inlined(of: Any) -> dict[str, Any]:
    """JSON Schema of a struct without references: Litestar keeps only the components that it makes itself."""
    document = msgspec.json.schema(of)
    definitions = document.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolve(definitions[node["$ref"].rsplit("/", 1)[1]])
        texts = {name: prose(value) for name, value in node.items() if name == "description" and isinstance(value, str)}
        return {name: resolve(value) for name, value in node.items()} | texts

    return dict(resolve(document))


class Finished(Schema):
    """A JSON Schema that is ready."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__()
        self._content = content

    def to_schema(self) -> dict[str, Any]:
        """The content as it is."""
        return self._content


def body_of(schema: dict[str, Any], example: Any, media_type: str = "application/json") -> dict[str, OpenAPIMediaType]:
    """Content of a request body."""
    return {media_type: OpenAPIMediaType(schema=Finished(schema), examples={"a_body": Example(value=example)})}


def secured(scope: str | None, *more: int, content: dict[str, OpenAPIMediaType] | None = None) -> dict[str, Any]:
    """Options of a route of the API: the scope that it needs ("" for any key or role), enforced and documented.

    Args:
        scope: `access.admitting` enforces it; None if no key is needed.
        more: statuses of problems beside `ANY`, and beside `BODY` if there is a body.
        content: of the request body by media type, None for no body.
    """
    statuses = sorted({*ANY, *more, *(BODY if content is not None else ())})

    @dataclass
    class ApiOperation(Operation):
        """An operation of the JSON API."""

        def __post_init__(self) -> None:
            if content is not None:
                self.request_body = RequestBody(content=content, required=True)
            needed = f"Needs the scope `{scope}`." if scope else "Any key or role may use it."
            if scope is None:
                needed = "Needs no key: the signature of the message says who sends it."
            self.description = f"{prose(self.description or '')}\n\n{needed}".strip()
            answers = {status: one for status, one in (self.responses or {}).items() if not status.startswith("4")}
            self.responses = {**answers, **{str(status): _problem(status) for status in statuses}}

    # No page posts here. The pattern of paths in the app's CSRF settings says so too, but is matched for each request.
    return {"operation_class": ApiOperation, "opt": {"needs": scope, "exclude_from_csrf": True}}


def _problem(status: int) -> OpenAPIResponse:
    example = {
        "type": "/problems/payload",
        "title": "The input does not fit the contract",
        "status": status,
        "detail": "age: expected a whole number from 16 to 120 years, found 7; correct the request.",
        "instance": "/api/v1/predictions",
        "request_id": "5f3a-1",
        "errors": [{"field": "age", "expected": "a whole number from 16 to 120 years", "found": "7"}],
    }
    examples = {"a_fault": Example(value=example)} if status == HTTPStatus.UNPROCESSABLE_ENTITY else None
    schema = Finished(inlined(ProblemDetails) | {"title": "Problem"})
    media = OpenAPIMediaType(schema=schema, examples=examples)  # type: ignore[arg-type]
    return OpenAPIResponse(description=WORDS[status], content={PROBLEM_JSON: media})
