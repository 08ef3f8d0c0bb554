"""What the tests of checks share: verdicts and stored entries."""

import dagster as dg
import pyarrow as pa


def red(result, severity=dg.AssetCheckSeverity.ERROR):
    assert result.passed is False
    assert result.severity is severity


def green(result):
    assert result.passed is True


def counts(rows_in, rejected=0, superseded=0, codes=None):
    return {
        "contacts": {"rows_in": rows_in, "rejected": rejected, "superseded": superseded, "codes": codes or {}},
        "outcomes": {"rows_in": 0, "rejected": 0, "superseded": 0, "codes": {}},
    }


def put(warehouse, table, key, columns, metadata):
    return warehouse.write(table, key, pa.table(columns), "mark", metadata)
