"""Stage raw: every delivered file, stored once and kept for ever. The work is in `landing.deliveries`."""

import time
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from bank_assets.assets.materialization import OWNERS, months_of, reported
from bank_assets.landing.deliveries import RegisterResult, register_deliveries
from bank_assets.landing.folders import landing_is_missing
from bank_assets.landing.register import manifest_of, month_digest
from bank_assets.partitions import key_of, monthly_asset
from bank_assets.settings import Settings
from bank_assets.sources.source import Source, landed_source


class RawContactsConfig(dg.Config):
    """How to read the landing folder."""

    # A file touched more recently is still being written; 0 takes all files (for senders that rename).
    settle_seconds: float = 0.0


@monthly_asset(code_version="1", kinds={"csv", "file"}, owners=OWNERS, tags={"bank/pii": "yes"})
def raw_contacts(
    context: dg.AssetExecutionContext, config: RawContactsConfig, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult:
    """Delivered files as they came, stored once per sha256, with a manifest of what belongs to each month.

    Reads: landing/contacts, landing/outcomes, landing/campaigns, landing/subscriptions,
    landing/withdrawals.
    Writes: raw/objects and raw/manifest.jsonl.
    Guarantees: no byte is lost; an unusable file is set aside with the reason, and the others are processed.
    Fails when: the landing folder cannot be read or the disk is full.
    """
    started = time.monotonic()
    landing_is_missing(settings.landing, settings.landing_bucket)  # raises if the folder exists and cannot be read
    scan = register_deliveries(
        settings.landing,
        settings.warehouse,
        settings.contract,
        now=datetime.now(UTC),
        settle_seconds=config.settle_seconds,
        lake=settings.tables,
        bucket=settings.landing_bucket,
    )
    for refusal in scan.refused:
        context.log.warning("refused %s/%s: %s", refusal.kind, refusal.name, refusal.problem)
    months = {month: _delivered(settings, month) for month in months_of(context)}
    for month, facts in months.items():
        context.add_asset_metadata(facts, partition_key=key_of(month))
    digests = {str(facts["digest"])[:16] for facts in months.values()}
    rows = sum(facts["dagster/partition_row_count"] for facts in months.values())
    return dg.MaterializeResult(
        metadata=reported(started, rows, is_unchanged=not scan.new, **_scanned(scan, landed_source(settings.landing))),
        data_version=dg.DataVersion("-".join(sorted(digests))[:200]),
    )


def _delivered(settings: Settings, month: str) -> dict[str, Any]:
    deliveries = manifest_of(settings.warehouse, [month])
    return {
        "dagster/partition_row_count": sum(one.months[month] for one in deliveries),
        "digest": month_digest(deliveries),
        "deliveries": [one.name for one in deliveries],
    }


def _scanned(scan: RegisterResult, source: Source | None) -> dict[str, Any]:
    return {
        "new": len(scan.new),
        "refused": [f"{one.name}: {one.problem}" for one in scan.refused],
        "withdrawn": [f"{one.what}: {one.reason}" for one in scan.withdrawn],
        "incomplete": list(scan.incomplete),
        "ignored": list(scan.ignored),
        "source": source.label if source else "deliveries",
        "is_real": source is None or source.is_real,
    }
