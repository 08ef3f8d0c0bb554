"""Checks of stage raw."""

import dagster as dg

from bank_assets.checks import hint, result
from bank_assets.landing.raw_objects import in_lake
from bank_assets.landing.refusals import refusals
from bank_assets.landing.register import read_manifest
from bank_assets.settings import Settings

# A delivery this many times larger or smaller than the one before it is worth a look.
SIZE_FACTOR = 4.0


@dg.asset_check(asset="raw_contacts", blocking=True)
def raw_bytes_match_their_digest(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
    """Every registered delivery's bytes are in the object store at their registered size."""
    missing = [
        delivery.name
        for delivery in in_lake(settings.tables, read_manifest(settings.warehouse))
        if not delivery.path.is_file() or delivery.path.stat().st_size != delivery.size_bytes
    ]
    return result(not missing, missing=missing, count=len(missing))


@dg.asset_check(asset="raw_contacts")
def no_delivery_is_refused(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
    """Every file of the landing folder can be used.

    ERROR, but not blocking: the other deliveries continue, and the refused file waits with its reason.
    """
    found = refusals(settings.landing, settings.warehouse)
    refused = {f"{one['kind']}/{one.get('reason_file') or one['name']}": one["problem"] for one in found}
    return result(not refused, refused=refused, count=len(refused))


@dg.asset_check(asset="raw_contacts")
def delivery_size_is_usual(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
    """The last delivery is neither much larger nor much smaller than the one before it."""
    contacts = read_manifest(settings.warehouse, "contacts")
    if len(contacts) < 2:
        return result(True, deliveries=len(contacts))
    before, last = contacts[-2], contacts[-1]
    factor = max(last.rows, 1) / max(before.rows, 1)
    return hint(
        1 / SIZE_FACTOR <= factor <= SIZE_FACTOR,
        last=last.name,
        rows=last.rows,
        rows_before=before.rows,
        factor=float(factor),
        allowed_factor=SIZE_FACTOR,
    )
