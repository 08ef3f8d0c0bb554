"""The frame of every report: one self-contained HTML document in the web app's style.

The style sheet is copied into a report, so that it can be mailed and opened offline. The web app serves that copy at an
address of its own, because its policy allows no inline style.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bank_assets.reports import formats

ROOT: Final = Path(__file__).resolve().parents[2]
STYLE: Final = ROOT / "serving" / "static" / "app.css"
FRAME: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body class="report">
<main>
{% block body %}{% endblock %}
</main>
</body>
</html>
"""


@cache
def _environment() -> Environment:
    found = Environment(
        loader=ChoiceLoader([DictLoader({"frame": FRAME}), FileSystemLoader(ROOT / "templates")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["style"] = Markup(STYLE.read_text(encoding="utf-8"))  # noqa: S704  ours
    found.filters["count"] = formats.count
    found.filters["number"] = formats.number
    found.filters["share"] = lambda value: formats.NONE if value is None else f"{value:.0%}"
    return found


def render(template: str, **values: Any) -> str:
    """Fill a report's template, Jinja text that extends `frame` and fills its block `body`; all text is escaped."""
    return _environment().from_string(template).render(**values)
