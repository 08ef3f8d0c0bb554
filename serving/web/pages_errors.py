"""Errors as pages and partials, each with a way on. HTTP only.

Given to `create_app`, which hands it to `errors.handle_exception`: the same table of exceptions serves clients and
people. A request without credentials goes to the login form instead.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.response import Redirect

from serving.web.problems import Problem
from serving.web.templating import is_partial, show
from serving.web.view_models import ProblemPage, ProblemPart

WAYS_ON: Final = {
    "/problems/no-champion": ("A model is picked up within seconds once it is promoted.", "/", "See what is in place"),
    "/problems/no-state": ("The state is picked up within seconds once it is published.", "/", "See what is in place"),
    "/problems/ledger": ("Nothing was decided that is not on record.", "/", "Go to the home page"),
    "/problems/busy": ("Nothing was decided; the same input may be sent again.", "/predict", "Back to the form"),
    "/problems/forbidden": ("Another login may be allowed to.", "/", "Go to the home page"),
    "/problems/not-found": ("It may be found by searching.", "/audit", "Search decisions"),
}
DEFAULT_WAY: Final = ("Your other pages are not affected.", "/", "Go to the home page")


def problem_page(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    """Render a problem for a person.

    Args:
        request: the request that failed.
        problem: what happened.

    Returns:
        The page, or the partial for htmx, with the problem's status; the login form if nobody is logged in.
    """
    if problem.status == 401:
        if is_partial(request):
            return Response("", status_code=401, headers={"HX-Redirect": "/login"})
        return Redirect("/login", status_code=303)
    if problem.status == 404 and problem.type == "about:blank":
        problem = msgspec.structs.replace(problem, detail="There is no page at this address.")
        way = ("It may be mistyped, or the page moved.", "/", "Go to the home page")
    elif problem.status == 422:
        # The page, not the address: what a form was sent to may answer to no link.
        page = f"/{request.scope['path'].split('/')[1]}"
        way = ("Correct the input and send it again.", page, "Back to the form")
    else:
        way = WAYS_ON.get(problem.type, DEFAULT_WAY)
    part = ProblemPart(problem, *way, has_title=is_partial(request))
    return show(request, ProblemPage(problem.title, part), part, status=problem.status)
