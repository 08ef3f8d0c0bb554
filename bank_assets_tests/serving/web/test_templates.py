"""Templates, view models, routes, docs and vendored files agree; each rule has a case that breaks it."""

import dataclasses
import hashlib
import importlib
import json
import re
from pathlib import Path

import pytest
from jinja2 import nodes
from jinja2.meta import find_undeclared_variables
from litestar.plugins.jinja import JinjaTemplateEngine

from bank_assets_tests.world.registry import MemoryRegistry
from serving.app import create_app
from serving.web import view_models
from serving.web.templating import STATIC, TEMPLATES, environment

SERVING = Path(view_models.__file__).parents[1]
MODULES = [f"serving.{path.parent.name}.{path.stem}" for path in sorted(SERVING.glob("*/*view_models.py"))]
GLOBALS = {"view", "chrome", "csrf_token", "static_url"}
DOCS = Path(__file__).resolve().parents[3] / "docs" / "pages.md"


def view_models_by_template():
    found = {}
    for name in MODULES:
        for one in vars(importlib.import_module(name)).values():
            if dataclasses.is_dataclass(one) and hasattr(one, "template") and one.__module__ == name:
                assert one.template not in found, f"{one.template} has two view models"
                found[one.template] = one
    return found


def all_dataclasses():
    return [
        one
        for name in MODULES
        for one in vars(importlib.import_module(name)).values()
        if dataclasses.is_dataclass(one) and one.__module__ == name
    ]


def attributes_of(node, name, *, is_rebound=False):
    """Attributes of a variable that a template uses itself; what a `with` rebinds belongs to the included template."""
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == name:
        return set() if is_rebound else {node.attr}
    if isinstance(node, nodes.With):
        rebinds = is_rebound or any(getattr(target, "name", "") == name for target in node.targets)
        inside = [attributes_of(child, name, is_rebound=rebinds) for child in node.body]
        outside = [attributes_of(child, name, is_rebound=is_rebound) for child in node.values]
        return set().union(*inside, *outside)
    return set().union(*(attributes_of(child, name, is_rebound=is_rebound) for child in node.iter_child_nodes()))


def misfits(source, model):
    """What is wrong between a template's text and its view model."""
    engine = JinjaTemplateEngine.from_environment(environment()).engine
    tree = engine.parse(source)
    fields = {field.name for field in dataclasses.fields(model)}
    if model.template == "base.html":
        used, others = attributes_of(tree, "chrome"), attributes_of(tree, "view") - {"title"}
    else:
        used, others = attributes_of(tree, "view"), attributes_of(tree, "chrome")
        used |= {"title"} if 'extends "base.html"' in source else set()
    found = [f"uses {name}, which is no field" for name in sorted(used - fields)]
    found += [f"does not use the field {name}" for name in sorted(fields - used)]
    found += [f"looks at {name} of another's view model" for name in sorted(others)]
    # Blocks see the imports and macros of their template, which Jinja's own analysis does not know.
    own = {node.target for node in tree.find_all(nodes.Import)} | {node.name for node in tree.find_all(nodes.Macro)}
    found += [f"uses the variable {name}" for name in sorted(find_undeclared_variables(tree) - GLOBALS - own)]
    return found


TEMPLATE_FILES = sorted(
    path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html") if path.parent.name != "macros"
)


def test_every_template_has_one_view_model_and_the_other_way_round():
    assert sorted(view_models_by_template()) == TEMPLATE_FILES


@pytest.mark.parametrize("template", TEMPLATE_FILES)
def test_template_uses_exactly_the_fields_of_its_view_model(template):
    assert misfits((TEMPLATES / template).read_text(), view_models_by_template()[template]) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("{{ view.title }}{{ view.part }}{{ view.tilte }}", "uses tilte, which is no field"),
        ("{{ view.title }}", "does not use the field part"),
        ("{{ view.title }}{{ view.part }}{{ chrome.nav }}", "looks at nav of another's view model"),
        ("{{ view.title }}{{ view.part }}{{ customer }}", "uses the variable customer"),
    ],
)
def test_a_template_that_does_not_fit_is_named(source, fault):
    assert misfits(source, view_models.PartPage) == [fault]


def test_what_a_with_rebinds_is_the_included_templates():
    source = '{{ view.title }}{% with view = view.part %}{{ view.other }}{% include "x.html" %}{% endwith %}'
    assert misfits(source, view_models.PartPage) == []


@pytest.mark.parametrize("model", all_dataclasses(), ids=lambda model: model.__name__)
def test_every_field_has_a_help_text(model):
    for field in dataclasses.fields(model):
        assert field.metadata.get("help", "").endswith("."), f"{model.__name__}.{field.name}"
    assert model.__doc__


FORBIDDEN = {
    r"\|\s*safe\b": "marks text as safe",
    r"\bMarkup\b": "marks text as safe",
    r"\sstyle\s*=": "has an inline style",
    r"<style": "has an inline style",
    r"\son[a-z]+\s*=": "has an inline script",
    r"<script(?![^>]*\bsrc=)": "has an inline script",
    r"hx-on|hx-vars|\bjs:": "makes htmx evaluate code",
    r"(?:src|href)\s*=\s*[\"'](?:https?:)?//": "loads from another origin",
    r"autoescape\s+false": "turns autoescape off",
}


def breaches(text):
    return [why for pattern, why in FORBIDDEN.items() if re.search(pattern, text)]


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_templates_keep_the_content_security_policy_and_autoescape(path):
    assert breaches(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "{{ view.text | safe }}",
        '<p style="color:red">',
        '<a onclick="go()">',
        "<script>go()</script>",
        '<script src="https://cdn.example/x.js"></script>',
        "{% autoescape false %}",
        '<div hx-on:click="go()">',
    ],
)
def test_a_breach_is_found(text):
    assert breaches(text)


def test_paper_is_white_in_dark_mode_too():
    style = (STATIC / "app.css").read_text()
    assert re.findall(r"@media ([^{]*)prefers-color-scheme", style) == ["screen and ("]


def test_python_code_of_the_pages_marks_nothing_as_safe():
    for path in SERVING.rglob("*.py"):
        assert "Markup(" not in path.read_text(), path


def test_numbers_are_escaped_and_formatted_with_units():
    render = environment().from_string
    assert render("{{ x|eur }}").render(x=1234.5) == "1,234 EUR"
    assert render("{{ x|eur }}").render(x=-12.5) == "−12.50 EUR"
    assert render("{{ x|eur(signed=true) }}").render(x=3) == "+3.00 EUR"
    assert render("{{ x|eur }}").render(x=None) == "n/a"
    assert render("{{ x|pct }}").render(x=0.1234) == "12.3 %"
    assert render("{{ x|points }}").render(x=-0.0312) == "−3.1 points"
    assert render("{{ x|p_value }}").render(x=1e-9) == "&lt; 0.001"
    assert render("{{ x|counted('record') }}").render(x=1) == "1 record"
    assert render("{{ x|moment }}").render(x="2010-11-17T10:00:00.000000Z") == "2010-11-17 10:00 UTC"


def test_vendored_files_are_those_that_were_published():
    folder = STATIC / "vendor"
    listed = json.loads((folder / "VENDORED.json").read_text())["files"]
    for one in listed:
        assert hashlib.sha256((folder / one["file"]).read_bytes()).hexdigest() == one["sha256"]
        assert one["version"] in one["file"]
        assert (folder / one["licence_file"]).stat().st_size > 100
    described = {one["file"] for one in listed} | {one["licence_file"] for one in listed} | {"VENDORED.json"}
    assert {path.name for path in folder.iterdir()} == described


def page_routes(app):
    found = set()
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            if (handler.name or "").startswith("page:"):
                methods = handler.http_methods - {"OPTIONS", "HEAD"}
                path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
                found |= {f"{method} {path}" for method in methods}
    return found


def test_docs_name_every_page_its_view_model_and_templates(serving_settings):
    app = create_app(serving_settings, registry=MemoryRegistry({}, None))
    rows = [line.split("|") for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    documented = {cells[1].strip().strip("`") for cells in rows if re.match(r" `(GET|POST) ", cells[1])}
    assert documented == page_routes(app)
    text = DOCS.read_text()
    for template, model in view_models_by_template().items():
        if template.startswith("pages/"):
            assert f"`{model.__name__}`" in text
            assert f"`{template}`" in text
    for name in re.findall(r"`((?:pages|partials|errors)/[\w./]+)`", text):
        assert (TEMPLATES / name).is_file(), name
