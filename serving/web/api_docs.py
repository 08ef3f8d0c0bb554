"""`/docs`: the OpenAPI document as a page people can try, by a vendored Swagger UI; no CDN, no inline script.

What lives here: the page and its files. What must not: the document itself (Litestar makes it at `/schema`).
The files are kept compressed (458 kB instead of 1.7 MB) and sent as they are; every browser unpacks gzip.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from litestar import Response, get

VENDOR: Final = Path(__file__).resolve().parents[1] / "static" / "vendor"
PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>JSON API · Bank marketing decisions</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/docs/ui.css">
</head>
<body>
<p><a href="/">Back to the pages</a></p>
<noscript>This page needs JavaScript; the document itself is at <a href="/schema/openapi.json">/schema/openapi.json</a>.
</noscript>
<div id="ui"></div>
<script src="/docs/ui.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
START: Final = """SwaggerUIBundle({
  url: "/schema/openapi.json", dom_id: "#ui", deepLinking: true, validatorUrl: null, displayRequestDuration: true,
  defaultModelsExpandDepth: 0
});
"""
DAY: Final = "private, max-age=86400"


def _packed(name: str, media_type: str) -> Response[bytes]:
    headers = {"content-encoding": "gzip", "cache-control": DAY}
    return Response((VENDOR / name).read_bytes(), media_type=media_type, headers=headers)


@get("/docs", operation_id="api_docs", include_in_schema=False)
async def page() -> Response[str]:
    """The page."""
    return Response(PAGE, media_type="text/html")


@get("/docs/start.js", operation_id="api_docs_start", include_in_schema=False)
async def start() -> Response[str]:
    """Starts the UI on our document."""
    return Response(START, media_type="text/javascript", headers={"cache-control": DAY})


@get("/docs/ui.js", operation_id="api_docs_script", include_in_schema=False, sync_to_thread=True)
def script() -> Response[bytes]:
    """Swagger UI."""
    return _packed("swagger-ui-5.35.0-bundle.js.gz", "text/javascript")


@get("/docs/ui.css", operation_id="api_docs_style", include_in_schema=False, sync_to_thread=True)
def style() -> Response[bytes]:
    """Its style sheet."""
    return _packed("swagger-ui-5.35.0.css.gz", "text/css")


HANDLERS: tuple[Any, ...] = (page, start, script, style)
