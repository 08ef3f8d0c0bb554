"""The import rules are enforced, and each of them can fail."""

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINT = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(LINT), "--no-cache", "--config", str(folder / ".importlinter")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )


FORBIDDEN = {
    "contract-is-stdlib": ("bank_assets.contract.columns", "bank_assets.core.arrays"),
    "settings-hold-values": ("bank_assets.settings", "bank_assets.store.locks"),
    "core-is-pure": ("bank_assets.core.economics.economics", "dagster"),
    "rooms-of-the-core": ("bank_assets.core.features.as_of", "bank_assets.core.training.folds"),
    "replay-is-core-alone": ("bank_assets.replay.world", "bank_assets.ledger.states"),
    "ledger-knows-no-framework": ("bank_assets.ledger.models", "litestar"),
    "store-knows-no-framework": ("bank_assets.landing.header", "pyspark"),
    "arrows-point-down": ("bank_assets.core.drift.verdict", "bank_assets.store.warehouse"),
    "loop-knows-no-assets": ("bank_assets.loop.status", "bank_assets.assets.scoring"),
    "serving-is-light": ("serving.app", "sklearn"),
    "rooms-of-serving": ("serving.decisions.records", "serving.campaigns.planning"),
}
"""An import that each contract forbids."""


@pytest.mark.slow
def test_every_contract_refuses_what_it_forbids(tmp_path):
    for name in ("bank_assets", "serving"):
        for source in (ROOT / name).rglob("*.py"):
            target = tmp_path / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    contracts = (ROOT / ".importlinter").read_text()
    assert re.findall(r"^\[importlinter:contract:(.+)\]$", contracts, re.MULTILINE) == [*FORBIDDEN]
    (tmp_path / ".importlinter").write_text(contracts)
    for module, forbidden in FORBIDDEN.values():
        with (tmp_path / f"{module.replace('.', '/')}.py").open("a") as stream:
            stream.write(f"\nimport {forbidden}\n")
    done = lint(tmp_path)
    assert done.returncode != 0
    assert f"0 kept, {len(FORBIDDEN)} broken" in done.stdout
    for module, forbidden in FORBIDDEN.values():
        assert re.search(rf"{module}\s+->\s+{forbidden}\b", done.stdout), (module, forbidden)


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing():
    assert {name for name in loaded_by("import bank_assets") if name.startswith("bank_assets.")} == set()


@pytest.mark.slow
def test_the_web_app_loads_neither_dagster_nor_spark_nor_sklearn():
    heavy = {
        "dagster",
        "pyspark",
        "sklearn",
        "great_expectations",
        "pandas",
        "pyarrow",
        "deltalake",
        "mlflow",
        "scipy",
        "lightgbm",
        "matplotlib",
    }
    assert loaded_by("import serving.app") & heavy == set()


def test_the_scorer_needs_numpy_and_onnxruntime_alone():
    ours = {name for name in loaded_by("import bank_assets.core.model.scorer") if name.startswith("bank_assets")}
    core = {"bank_assets.core", "bank_assets.core.arrays", "bank_assets.core.model", "bank_assets.core.model.scorer"}
    assert ours <= {"bank_assets"} | core


HOMES = {
    r"^(Float|Int|Bool|Day)Array\b.*= ": {"bank_assets/core/arrays.py", "bank_assets/contract/column_rules.py"},
    r"^import fcntl|^from fcntl": {"bank_assets/store/locks.py"},
    r"\.tmp\"|\.part\"|\.partial\"": {"bank_assets/store/atomic_files.py", "bank_assets/landing/formats.py"},
}
"""What has one home. The contract knows nothing of the core.

Deliveries name the endings that senders give to files they still write."""


@pytest.mark.parametrize("pattern", HOMES)
def test_what_has_one_home_is_written_nowhere_else(pattern):
    sources = [path for name in ("bank_assets", "serving", "benchmarks") for path in (ROOT / name).rglob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in sources if re.search(pattern, path.read_text(), re.MULTILINE)}
    assert found == HOMES[pattern]


def test_charts_are_drawn_by_one_module():
    sources = [path for name in ("bank_assets", "serving") for path in (ROOT / name).rglob("*.py")]
    plots = re.compile(r"^\s*(?:import|from) (?:matplotlib|plotly|seaborn|altair|bokeh)\b", re.MULTILINE)
    assert plots.search("    from matplotlib.figure import Figure")
    assert [path for path in sources if plots.search(path.read_text())] == []
    assert not [path for path in (ROOT / "serving" / "static").rglob("*") if "chart" in path.name]


def test_only_the_edge_and_the_simulator_take_the_default_contract():
    sources = [path for name in ("bank_assets", "serving") for path in (ROOT / name).rglob("*.py")]
    takes = re.compile(r"contract\.uci import .*\bUCI\b")
    takers = {str(path.relative_to(ROOT)) for path in sources if takes.search(path.read_text())}
    assert {one for one in takers if not one.startswith("bank_assets/simulator/")} == {"bank_assets/sources/landing.py"}


def test_every_module_has_a_room():
    nouns = {
        "automation",
        "definitions",
        "environment",
        "executors",
        "jobs",
        "partitions",
        "revision",
        "schedules",
        "settings",
    }
    assert {path.stem for path in (ROOT / "bank_assets").glob("*.py")} == {"__init__", "__main__", *nouns}
    assert {path.stem for path in (ROOT / "bank_assets/core").glob("*.py")} == {"__init__", "arrays", "words"}


def doubled_classes(sources: Iterable[Path]) -> dict[str, list[str]]:
    """Names of classes that more than one module defines, with the modules."""
    found = defaultdict(list)
    for path in sources:
        text = path.read_text()
        for node in ast.parse(text).body if "class " in text else ():
            if isinstance(node, ast.ClassDef):
                found[node.name].append(path.stem)
    return {name: modules for name, modules in found.items() if len(modules) > 1}


def test_no_two_classes_have_one_name(tmp_path):
    names = ("bank_assets", "serving", "deploy", "benchmarks", "scripts")
    assert doubled_classes(path for name in names for path in (ROOT / name).rglob("*.py")) == {}
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders/lines.py").write_text("class Line:\n    class Kind: ...\n")
    (tmp_path / "charts.py").write_text("class Kind: ...\n\n\nclass Line(tuple): ...\n")
    assert doubled_classes(sorted(tmp_path.rglob("*.py"))) == {"Line": ["charts", "lines"]}


def test_no_file_is_too_long():
    sources = [path for name in ("bank_assets", "serving", "bank_assets_tests") for path in (ROOT / name).rglob("*.py")]
    assert {path.name: n for path in sources if (n := len(path.read_text().splitlines())) > 300} == {}


def test_only_settings_read_the_environment():
    reads = re.compile(r"environ\.get\(|environ\[[^\]]+\](?!\s*=)|getenv\(")
    sources = [path for name in ("bank_assets", "serving") for path in (ROOT / name).rglob("*.py")]
    readers = {str(path.relative_to(ROOT)) for path in sources if reads.search(path.read_text())}
    # JAVA_HOME and AWS_… are variables of others, read where Spark's scripts and the clients of S3 would read them.
    others = {"bank_assets/spark/java.py", "bank_assets/store/places.py"}
    assert readers <= {"bank_assets/settings.py", "serving/settings.py", *others}


def test_no_file_names_a_registry_or_a_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    bad = []
    for name in listed:
        path = ROOT / name
        if path.suffix in {".png", ".onnx"} or not path.is_file():
            continue
        text = path.read_text(errors="ignore")
        words = ("pypi" + ".org", "files.python" + "hosted", "registry.npm" + "js", "/wo" + "rk/", "/ro" + "ot/")
        bad += [f"{name}: {word}" for word in words if word in text]
    assert bad == []
