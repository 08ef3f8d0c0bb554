"""The frame of every report page: one self-contained HTML document in one style.

What lives here: the style sheet, the template's frame, rendering.
What must not: any report's words. Called by the report pages.

A page needs nothing from outside, so it can be mailed and opened offline. It is readable at phone width, in print and
by a screen reader: text on its ground has a contrast of at least 4.5:1, wide tables scroll by themselves and by
keyboard, levels have words beside their colours. The web app serves the style block under its own address, because its
policy allows no inline style.
"""

from __future__ import annotations

from typing import Any, Final

STYLE: Final = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2733; background: #fff; max-width: 64rem; margin: 0 auto;
  padding: 1rem; overflow-wrap: break-word; }
h1 { line-height: 1.2; margin: .6rem 0 .2rem; } h2 { margin: 2rem 0 .5rem; line-height: 1.25; } h3 { margin: 0; }
a { color: #0b4f8a; } .quiet { color: #4d5a69; }
.verdict { border-left: .4rem solid #6b7685; padding: .6rem 1rem; background: #f4f6f9; margin: 1rem 0; }
.verdict.none, .verdict.good { border-color: #2f7d4f; } .verdict.moderate, .verdict.watch { border-color: #b07a00; }
.verdict.heavy, .verdict.bad { border-color: #b03a20; } .verdict p { margin: .3rem 0; }
.level { padding: .1rem .5rem; border-radius: .7rem; white-space: nowrap; color: #1d2733; font-size: .9rem; }
.level.none, .level.good { background: #dcefe2; } .level.moderate, .level.watch { background: #fdebc8; }
.level.heavy, .level.bad { background: #f8d3cb; } .level.plain { background: #e8ecf1; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); padding: 0; }
.card { border: 1px solid #cfd7e1; border-radius: .5rem; padding: .8rem 1rem; }
.card header { display: flex; gap: .6rem; justify-content: space-between; align-items: baseline; }
.card p { margin: .4rem 0; }
.tiles { display: grid; gap: .8rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 11rem), 1fr)); }
.tiles div { border: 1px solid #cfd7e1; border-radius: .5rem; padding: .6rem .8rem; }
.tiles dt { color: #4d5a69; font-size: .9rem; } .tiles dd { margin: 0; }
.tiles b { display: block; font-size: 1.35rem; line-height: 1.3; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; color: #4d5a69; padding-bottom: .3rem; }
th, td { text-align: left; padding: .3rem .5rem; vertical-align: top; border-bottom: 1px solid #e3e8ee; }
thead th { border-bottom: 2px solid #b8c2cf; } tbody th { font-weight: 600; } th .quiet { font-weight: 400; }
#measures { min-width: 34rem; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.bars th { font-weight: 400; white-space: nowrap; }
.bars th, .bars td { padding: .1rem .3rem; border: 0; font-size: .85rem; }
.scroll { overflow-x: auto; } .scroll:focus { outline: 2px solid #0b4f8a; }
.heat td { text-align: center; } .heat td.some { background: #fdebc8; } .heat td.much { background: #f3b7a8; }
figure { margin: 0; max-width: 30rem; } figure svg { display: block; width: 100%; height: auto; }
figcaption { font-weight: 600; } .legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .9rem; }
.legend .key { display: inline-block; width: auto; vertical-align: middle; }
.bars td:nth-child(2) { width: 40%; } .bars .pair { display: block; width: 100%; min-width: 2rem; height: 1.2rem; }
@media print { body { max-width: none; padding: 0; }
  h2 { break-after: avoid; } .card, figure, tr { break-inside: avoid; } }
"""

FRAME: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
{% block body %}{% endblock %}
</main>
</body>
</html>
"""


def render(template: str, **values: Any) -> str:
    """Fill a report's template.

    Args:
        template: Jinja text that extends `frame` and fills its block `body`.
        values: what the template names, `title` among them.

    Returns:
        A whole HTML document without any outside resource; all text is escaped, charts are marked as safe by their
        makers.
    """
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=DictLoader({"frame": FRAME, "page": template}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["chart"] = Markup  # SVG made by `reports.svg`, which escapes every text it is given
    environment.filters["number"] = lambda value, digits=3: "–" if value is None else f"{value:,.{digits}f}"
    environment.filters["share"] = lambda value: "–" if value is None else f"{value:.0%}"
    environment.filters["count"] = lambda value: f"{value:,}"
    return environment.get_template("page").render(style=Markup(STYLE), **values)  # noqa: S704  a constant
