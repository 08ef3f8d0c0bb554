"""Stage raw: every delivered file, stored once and kept for ever. The work is in `landing.deliveries`."""

from datetime import UTC, datetime

import dagster as dg

from bank_assets.assets.materialization import OWNERS, Stopwatch, months_of
from bank_assets.landing.deliveries import landing_is_missing, register_deliveries
from bank_assets.landing.register import manifest_of, month_digest
from bank_assets.partitions import key_of, monthly_asset
from bank_assets.settings import Settings
from bank_assets.sources.source import landed_source

CODE_VERSION = "1"


class RawContactsConfig(dg.Config):
    """How to read the landing folder."""

    settle_seconds: float = 0.0
    """A file touched more recently is still being written; 0 takes all files (for senders that rename)."""


@monthly_asset(code_version=CODE_VERSION, kinds={"csv", "file"}, owners=OWNERS, tags={"bank/pii": "yes"})
def raw_contacts(
    context: dg.AssetExecutionContext, config: RawContactsConfig, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult:
    """Delivered files as they came, stored once per sha256, with a manifest of what belongs to each month.

    Reads: landing/contacts, landing/outcomes, landing/campaigns.
    Writes: raw/objects and raw/manifest.jsonl.
    Guarantees: no byte is lost; an unusable file is set aside with the reason, and the others are processed.
    Fails when: the landing folder cannot be read or the disk is full.
    """
    watch = Stopwatch()
    landing_is_missing(settings.landing)  # raises if the folder exists and cannot be read
    scan = register_deliveries(
        settings.landing,
        settings.warehouse,
        settings.contract,
        now=datetime.now(UTC),
        settle_seconds=config.settle_seconds,
    )
    for refusal in scan.refused:
        context.log.warning("refused %s/%s: %s", refusal.kind, refusal.name, refusal.problem)
    digests, rows = [], 0
    for month in months_of(context):
        deliveries = manifest_of(settings.warehouse, [month])
        digests.append(month_digest(deliveries))
        count = sum(d.months[month] for d in deliveries)
        rows += count
        context.add_asset_metadata(
            {"dagster/partition_row_count": count, "digest": digests[-1], "deliveries": [d.name for d in deliveries]},
            partition_key=key_of(month),
        )
    source = landed_source(settings.landing)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "new": len(scan.new),
            "refused": [f"{r.name}: {r.problem}" for r in scan.refused],
            "incomplete": list(scan.incomplete),
            "ignored": list(scan.ignored),
            "unchanged": not scan.new,
            "source": source.label if source else "deliveries",
            "is_real": bool(source and source.is_real),
            "seconds": watch.seconds,
        },
        data_version=dg.DataVersion("-".join(sorted({d[:16] for d in digests}))[:200]),
    )
