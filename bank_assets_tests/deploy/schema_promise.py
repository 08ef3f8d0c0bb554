"""What a migration may do while the version before it still runs: it may only add.

Compares two schemas as the database reports them.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, inspect


@dataclass(frozen=True)
class Schema:
    """Tables as the database reports them."""

    columns: dict[str, dict[str, dict[str, Any]]]
    uniques: dict[str, set[tuple[str, ...]]]
    checks: dict[str, set[str]]

    @classmethod
    def of(cls, engine: Engine) -> "Schema":
        found = inspect(engine)
        tables = [name for name in found.get_table_names() if name != "alembic_version"]
        indexes = {
            table: {tuple(one["column_names"]) for one in found.get_indexes(table) if one["unique"]} for table in tables
        }
        return cls(
            columns={table: {column["name"]: dict(column) for column in found.get_columns(table)} for table in tables},
            uniques={
                table: {tuple(one["column_names"]) for one in found.get_unique_constraints(table)} | indexes[table]
                for table in tables
            },
            checks={table: {str(one["name"]) for one in found.get_check_constraints(table)} for table in tables},
        )


def breaks(before: Schema, after: Schema) -> list[str]:
    """What in `after` would make code written for `before` fail; empty if nothing."""
    found = []
    for table, columns in before.columns.items():
        if table not in after.columns:
            found.append(f"{table}: dropped or renamed")
            continue
        now = after.columns[table]
        for name, column in columns.items():
            if name not in now:
                found.append(f"{table}.{name}: dropped or renamed")
                continue
            if str(now[name]["type"]) != str(column["type"]):
                found.append(f"{table}.{name}: was {column['type']}, now {now[name]['type']}")
            if column["nullable"] and not now[name]["nullable"]:
                found.append(f"{table}.{name}: refuses NULL now")
        added = [now[name] for name in now.keys() - columns.keys()]
        needy = [column["name"] for column in added if not column["nullable"] and column["default"] is None]
        found += [f"{table}.{name}: new, needs a value that the old code does not give" for name in needy]
        found += [f"{table}: new UNIQUE {one}" for one in after.uniques[table] - before.uniques[table]]
        found += [f"{table}: new CHECK {one}" for one in after.checks[table] - before.checks[table]]
    return found
