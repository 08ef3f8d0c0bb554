"""`/docs`: the OpenAPI document in a vendored Swagger UI, without a CDN or inline scripts.

The files are stored and sent compressed (458 kB instead of 1.7 MB).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from serving.web.problems import NotFoundError

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


FILES: Final = {
    "ui.js": (VENDOR / "swagger-ui-5.35.0-bundle.js.gz", "text/javascript"),
    "ui.css": (VENDOR / "swagger-ui-5.35.0.css.gz", "text/css"),
}


@get("/docs", operation_id="api_docs", include_in_schema=False)
async def page() -> Response[str]:
    """The page."""
    return Response(PAGE, media_type="text/html")


@get("/docs/start.js", operation_id="api_docs_start", include_in_schema=False)
async def start() -> Response[str]:
    """Starts the UI on our document."""
    return Response(START, media_type="text/javascript", headers={"cache-control": DAY})


@get("/docs/{name:str}", operation_id="api_docs_file", include_in_schema=False, sync_to_thread=True)
def file(name: FromPath[str]) -> Response[bytes]:
    """Script and style sheet of Swagger UI."""
    if name not in FILES:
        raise NotFoundError(f"file: expected {' or '.join(FILES)}, found {name[:40]!r}.")
    path, media_type = FILES[name]
    return Response(
        path.read_bytes(), media_type=media_type, headers={"content-encoding": "gzip", "cache-control": DAY}
    )


HANDLERS: tuple[Any, ...] = (page, start, file)
