"""The summary of a run: `reports/run_summary.json` and the tables that are printed."""

from typing import Any

from rich.console import Console
from rich.table import Table

from bank_assets.core.quality.objective import best_first, ordered_by
from bank_assets.ledger import promotions
from bank_assets.ledger.engine import opened_ledger
from bank_assets.settings import Settings
from bank_assets.sources.source import landed_source
from bank_assets.store.warehouse import Warehouse

COLUMNS = {
    "profit_eur": ("profit EUR", ",.0f"),
    "roc_auc": ("AUC", ".3f"),
    "average_precision": ("AP", ".3f"),
    "f1": ("F1", ".3f"),
    "brier": ("Brier", ".4f"),
}
"""Heading and format of each metric; the objective's column comes first."""
METRICS = tuple(COLUMNS)


def build_summary(settings: Settings, seconds: dict[str, float]) -> dict[str, Any]:
    """Collect the summary; docs/journey.md describes its keys."""
    store = Warehouse(settings.tables, settings.warehouse)
    source = landed_source(settings.landing)
    contacts = store.manifest("contacts")
    gates = store.manifest("contacts_validation")
    counts = [entry.metadata["contacts"] for entry in contacts.values()]
    return {
        "source": {
            "kind": source.kind if source else "deliveries",
            "label": source.label if source else "deliveries",
            "is_real": source is None or source.is_real,
        },
        "rows_raw": sum(c["rows_in"] for c in counts),
        "rows_contacts": sum(entry.rows for entry in contacts.values()),
        "rows_rejected": sum(c["rejected"] for c in counts),
        "rows_superseded": sum(c["superseded"] for c in counts),
        "validation_passed": bool(gates) and all(entry.metadata["passed"] for entry in gates.values()),
        "drift": _drift(store),
        "objective": settings.objective,
        "candidates": _candidates(store, settings.objective),
        "champion": _champion(settings, store),
        "call_list_rows": sum(entry.rows for entry in store.manifest("call_list").values()),
        "seconds": seconds,
    }


def _drift(store: Warehouse) -> dict[str, Any]:
    reports = {m: e.metadata for m, e in store.manifest("drift_report").items() if e.metadata.get("message")}
    if not reports:
        return {}
    last = max(reports)
    found = reports[last]
    return {
        "month": last,
        "reference": found["reference"],
        "level": found["level"],
        "columns_drifted": found["drifted"],
        "label_level": found["label_level"],
        "message": found["message"],
    }


def _candidates(store: Warehouse, objective: str) -> list[dict[str, Any]]:
    rows = []
    for entry in store.manifest("candidates").values():
        for result in entry.metadata["results"].values():
            recipe = result["recipe"]
            rows.append(
                {
                    "algorithm": recipe["algorithm"],
                    "sampler": recipe["sampler"],
                    **{name: result["metrics"][name] for name in (*METRICS, "log_loss", "fit_seconds")},
                    "mlflow_run_id": result["mlflow_run_id"],
                }
            )
    return sorted(rows, key=lambda row: best_first(objective, row))


def _champion(settings: Settings, store: Warehouse) -> dict[str, Any]:
    with opened_ledger(settings.ledger_url) as engine:
        moves = [row for row in promotions.history(engine, promoted_only=True) if row.kind != "recalibration"]
        last = promotions.history(engine, limit=1)
    if not moves:
        return {"version": None, "reason": "; ".join(last[0].reasons) if last else "no challenger was judged"}
    challenger = store.entry("challenger", "all")
    headline = challenger.metadata["headline"] if challenger else {}
    algorithm, _, sampler = str(headline.get("recipe", "/")).partition("/")
    is_same = str(headline.get("version")) == moves[0].to_version
    return {
        "version": moves[0].to_version,
        "algorithm": algorithm if is_same else None,
        "sampler": sampler if is_same else None,
        "as_of": moves[0].as_of,
        "kind": moves[0].kind,
        "metrics": {name: headline[name] for name in METRICS if name in headline} if is_same else {},
        "choice": headline.get("reason"),
        "reason": "; ".join(moves[0].reasons),
    }


def print_summary(summary: dict[str, Any], console: Console) -> None:
    """Print the summary as tables."""
    console.print(f"\nsource {summary['source']['label']}")
    console.print(
        f"rows {summary['rows_raw']:,} raw = {summary['rows_contacts']:,} contacts + "
        f"{summary['rows_rejected']:,} rejected + {summary['rows_superseded']:,} superseded; validation "
        f"{'passed' if summary['validation_passed'] else 'FAILED for at least one month'}"
    )
    if summary["drift"]:
        console.print(f"drift {summary['drift']['message']}")
    names = ordered_by(summary["objective"], METRICS)
    table = Table("candidate", *(COLUMNS[name][0] for name in names), title="candidates, out of time, the best first")
    for row in summary["candidates"]:
        table.add_row(f"{row['algorithm']}/{row['sampler']}", *(format(row[name], COLUMNS[name][1]) for name in names))
    console.print(table)
    champion = summary["champion"]
    console.print(
        f"champion version {champion['version'] or 'none'} "
        f"{champion.get('algorithm') or ''} {champion.get('sampler') or ''}: {champion['reason']}"
    )
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in summary["seconds"].items())
    console.print(f"call list {summary['call_list_rows']:,} calls; seconds {stages}")
