"""From view models to HTML: template engine, filters, and the choice between page and partial.

Undefined names are errors, so a template that uses a name which its view model lacks fails in the first test.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.datastructures import CacheControlHeader
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Template
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig

from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.core.words import NONE, pct
from bank_assets.reports.formats import amount_text, count, eur, number, p_value, points
from serving.web.chrome import chrome_of
from serving.web.idempotency import FIELD
from serving.web.problems import ProblemDetails
from serving.web.view_models import PartPage, ProblemPart

if TYPE_CHECKING:
    from litestar.router import Router

ROOT: Final = Path(__file__).resolve().parents[2]
TEMPLATES: Final = ROOT / "templates"
STATIC: Final = Path(__file__).resolve().parents[1] / "static"
# Static addresses carry a digest of the content, so browsers may keep the files for a year.
STATIC_SECONDS: Final = 31_536_000


class View(Protocol):
    """A view model: a dataclass that names its template."""

    template: ClassVar[str]


def moment(text: str | None) -> str:
    """An ISO time as day and minute, UTC."""
    if not text:
        return NONE
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


# Names that are not words.
SPELLED: Final = {"smote": "SMOTE", "tomek": "Tomek links", "smote_tomek": "SMOTE + Tomek links"}


def words(text: str | None) -> str:
    """A name with underscores in words; an algorithm's by its label."""
    if not text:
        return NONE
    return ALGORITHMS[text].label if text in ALGORITHMS else SPELLED.get(text, text.replace("_", " "))


def sentence(text: str) -> str:
    """A text with a capital first letter."""
    return text[:1].upper() + text[1:]


def counted(value: float, noun: str) -> str:
    """A number of things: `1 record`, `2 records`."""
    return f"{value:,.0f} {noun}{'' if value == 1 else 's'}"


def code_spans(text: str) -> list[tuple[str, bool]]:
    """Text cut at its backticks: (part, whether it is code)."""
    return [(part, at % 2 == 1) for at, part in enumerate(text.split("`")) if part]


def unbroken(text: str) -> str:
    """Text whose numbers stay on one line with their unit."""
    return re.sub(r"(?<=\d) (?=%|EUR\b)", "\u00a0", text)


def slug(name: str) -> str:
    """A name as part of an HTML id, which may hold no blank and should need no escape in a selector."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: f"-{ord(found[0]):x}-", name)


_FILTERS = (eur, pct, points, count, number, p_value, moment, words, counted, sentence, code_spans, slug, unbroken)
FILTERS: Final[dict[str, Callable[..., Any]]] = {"amount": amount_text, **{one.__name__: one for one in _FILTERS}}


@cache
def static_url(name: str) -> str:
    """Address of a static file, with a digest of its content."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


def environment() -> Environment:
    """The Jinja environment of all templates."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(FILTERS)
    found.globals |= {"static_url": static_url, "new_key": partial(secrets.token_hex, 16), "once_field": FIELD}
    return found


def template_config() -> TemplateConfig[JinjaTemplateEngine]:
    """The engine, as `create_app` wants it."""
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment()))


def static_files() -> Router:
    """Route of the static files; public, as the login page needs them."""
    return create_static_files_router(
        path="/static",
        directories=[STATIC],
        cache_control=CacheControlHeader(max_age=STATIC_SECONDS, public=True, immutable=True),
    )


def is_partial(request: Request[Any, Any, Any]) -> bool:
    """True if htmx requests a part; a page that it restores from history must be whole."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and headers.get("HX-History-Restore-Request") != "true"


def show(
    request: Request[Any, Any, Any],
    page: View,
    part: View | None = None,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Template:
    """Answer with a page, or with the part of it that htmx requests."""
    view = part if part is not None and is_partial(request) else page
    return Template(
        view.template,
        context={"view": view, "chrome": chrome_of(request)},
        status_code=status,
        media_type="text/html",
        headers={"Vary": "HX-Request", **(headers or {})},
    )


WAYS_ON: Final = {
    "/problems/no-champion": ("Until then nothing can be decided.", "/", "See what is in place"),
    "/problems/no-state": ("Until then nothing can be decided.", "/", "See what is in place"),
    "/problems/ledger": ("Nothing was decided that is not on record.", "/", "Go to the home page"),
    "/problems/busy": ("Nothing was decided; the same input may be sent again.", "/predict", "Back to the form"),
    "/problems/forbidden": ("Another login may be allowed to.", "/", "Go to the home page"),
    "/problems/not-found": ("It may be found by searching.", "/audit", "Search decisions"),
}
LOST: Final = {
    "/campaign": ("What is kept is on one page.", "Choose a file or a list"),
    "/customers": ("It may be on record under another id.", "Look up a customer"),
}
"""Words of the way on from what is not found, by the page it leads to; elsewhere decisions are searched."""
DEFAULT_WAY: Final = ("Your other pages are not affected.", "/", "Go to the home page")


def problem_page(request: Request[Any, Any, Any], problem: ProblemDetails) -> Response[Any]:
    """Render a problem for a person."""
    if problem.status == 401:
        if is_partial(request):
            return Response("", status_code=401, headers={"HX-Redirect": "/login"})
        return Redirect("/login", status_code=303)
    path = request.scope["path"]
    page = f"/{path.split('/')[1]}"  # not the address: what a form was sent to may answer to no link
    if problem.status == 404 and problem.type == "about:blank":
        problem = msgspec.structs.replace(problem, detail="There is no page at this address.")
        way = ("It may be mistyped, or the page moved.", "/", "Go to the home page")
    elif problem.status == 422:
        way = ("Correct the input and send it again.", page, "Back to the form")
        if path.endswith("/upload"):
            problem = msgspec.structs.replace(problem, title="This file cannot be used")
            way = ("Nothing was kept. Correct the file and upload it again; an example is at the form.", *way[1:])
    elif problem.status == 404:
        way = (LOST[page][0], page, LOST[page][1]) if page in LOST else WAYS_ON["/problems/not-found"]
    else:
        way = WAYS_ON.get(problem.type, DEFAULT_WAY)
    part = ProblemPart(problem, *way, has_title=is_partial(request))
    return show(request, PartPage(problem.title, part), part, status=problem.status)
