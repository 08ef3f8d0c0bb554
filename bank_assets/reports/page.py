"""The frame of every report: one self-contained HTML document in the web app's style.

The style sheet is copied into a report, so that it can be mailed and opened offline. The web app serves that copy at an
address of its own, because its policy allows no inline style.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bank_assets.core.words import pct
from bank_assets.reports import formats

ROOT: Final = Path(__file__).resolve().parents[2]
STYLE: Final = ROOT / "serving" / "static" / "app.css"
START: Final = """{% import "macros/charts.html" as charts %}
<!doctype html>
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
"""
END: Final = """</main>
</body>
</html>
"""


@cache
def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["style"] = Markup(STYLE.read_text(encoding="utf-8"))  # noqa: S704  ours
    found.filters["count"] = formats.count
    found.filters["number"] = formats.number
    found.filters["p_value"] = formats.p_value
    found.filters["pct"] = pct
    return found


def render(body: str, **values: Any) -> str:
    """Fill a report, given the Jinja text of its body; all values are escaped."""
    return _environment().from_string(START + body + END).render(**values)
