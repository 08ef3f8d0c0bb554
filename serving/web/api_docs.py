"""`/docs`: the OpenAPI document in a vendored Swagger UI, without a CDN or inline scripts.

The vendored files are stored and sent compressed (458 kB instead of 1.7 MB).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from serving.web.problems import NotFoundError

STATIC: Final = Path(__file__).resolve().parents[1] / "static"
FILES: Final = {
    "ui.js": ("swagger-ui-5.35.0-bundle.js.gz", "text/javascript"),
    "ui.css": ("swagger-ui-5.35.0.css.gz", "text/css"),
}


@get("/docs", operation_id="api_docs", include_in_schema=False, sync_to_thread=True)
def page() -> Response[bytes]:
    """The page."""
    return Response((STATIC / "docs.html").read_bytes(), media_type="text/html")


@get("/docs/{name:str}", operation_id="api_docs_file", include_in_schema=False, sync_to_thread=True)
def file(name: FromPath[str]) -> Response[bytes]:
    """Script and style sheet of Swagger UI."""
    if name not in FILES:
        raise NotFoundError(f"file: expected {' or '.join(FILES)}, found {name[:40]!r}.")
    vendored, media_type = FILES[name]
    headers = {"content-encoding": "gzip", "cache-control": "private, max-age=86400"}
    return Response((STATIC / "vendor" / vendored).read_bytes(), media_type=media_type, headers=headers)


HANDLERS: tuple[Any, ...] = (page, file)
