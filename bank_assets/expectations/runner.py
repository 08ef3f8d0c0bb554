"""Runs the suite once over all months of a run, and counts by month in one grouped pass.

What lives here: the ephemeral GX context, the Data Docs site, the grouped counts.
What must not: rules (`suite`), the verdict about a month (the validation asset).
Measured: 31 separate runs cost minutes, one run on the cached frame 7 s.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bank_assets.expectations.suite import (
    ERROR,
    MEAN_AGE,
    MINIMUM_ROWS,
    NEGATIVE_SHARE,
    UNKNOWN_SHARE,
    Rule,
    contact_rules,
    suite_expectations,
)
from bank_assets.expectations.summary import ExpectationOutcome, MonthValidation, ValidationSummary

NAME: Final = "contacts"
SITE: Final = "local"
NO_VALUES: Final = {"result_format": "SUMMARY", "partial_unexpected_count": 0}
"""Counts only. The usual formats copy values of failing rows, which are customers', into results and pages."""


def validate_contacts(contacts: DataFrame, months: Sequence[str], data_docs: Path) -> ValidationSummary:
    """Validate contacts.

    Args:
        contacts: the contacts of the months, table names.
        months: months `YYYY-MM` that the frame holds.
        data_docs: folder of the report; made if needed.

    Returns:
        Findings by month and over the whole frame.
    """
    cached = contacts.withColumn("month", f.date_format("contact_date", "yyyy-MM")).cache()
    try:
        by_month = _count(cached, months)
        outcomes, page = _run_suite(cached, data_docs)
    finally:
        cached.unpersist()
    return ValidationSummary(by_month, outcomes, page)


def _count(contacts: DataFrame, months: Sequence[str]) -> dict[str, MonthValidation]:
    """Violations and hints by month, in one grouped pass."""
    rules = contact_rules()
    counts = [f.sum(rule.violation.cast("long")).alias(rule.name) for rule in rules]
    facts = [
        f.count("*").alias("n_rows"),
        f.count_distinct("contact_id").alias("n_ids"),
        f.avg("age_years").alias("mean_age"),
        f.avg((f.col("balance_eur") < 0).cast("double")).alias("negative_share"),
        f.avg((f.col("contact_channel") == "unknown").cast("double")).alias("unknown_share"),
    ]
    found = {row["month"]: row.asDict() for row in contacts.groupBy("month").agg(*facts, *counts).collect()}
    return {month: _month(rules, found[month]) if month in found else MonthValidation() for month in months}


def _month(rules: Sequence[Rule], row: dict[str, Any]) -> MonthValidation:
    broken = {
        severity: [
            f"{rule.name}: expected {rule.expected}, found {row[rule.name]} rows that break it"
            for rule in rules
            if rule.severity == severity and row[rule.name]
        ]
        for severity in ("error", "warning")
    }
    errors, warnings = broken[ERROR], broken["warning"]
    if row["n_ids"] != row["n_rows"]:
        errors.append(f"contact_id_is_unique: expected each contact once, found {row['n_rows'] - row['n_ids']} again")
    return MonthValidation(row["n_rows"], tuple(errors), (*warnings, *_hints(row)))


def _hints(row: dict[str, Any]) -> list[str]:
    low, high = MEAN_AGE
    hints = []
    if row["n_rows"] < MINIMUM_ROWS:
        hints.append(f"rows_are_enough: expected at least {MINIMUM_ROWS} contacts, found {row['n_rows']}")
    if not low <= row["mean_age"] <= high:
        hints.append(f"mean_age_is_usual: expected {low:g} to {high:g} years, found {row['mean_age']:.1f}")
    if row["negative_share"] > NEGATIVE_SHARE:
        hints.append(
            f"balances_are_usual: expected at most {NEGATIVE_SHARE:.0%} negative, found {row['negative_share']:.0%}"
        )
    if row["unknown_share"] > UNKNOWN_SHARE:
        hints.append(
            f"channel_is_known: expected at most {UNKNOWN_SHARE:.0%} unknown, found {row['unknown_share']:.0%}"
        )
    return hints


def name_the_main_module() -> None:
    """Give the main module a file, if it has none.

    A run that Dagster's code server starts has none: Python's `spawn` leaves `python -m package` parents out. PySpark's
    connect client, which Great Expectations imports, then believes that it runs its own doctests, misses a package and
    ends the process with exit code 0 (pyspark/sql/connect/utils.py); every run from the UI failed at this stage.
    """
    main = sys.modules["__main__"]
    if not hasattr(main, "__file__"):
        main.__file__ = __file__


def _run_suite(contacts: DataFrame, data_docs: Path) -> tuple[tuple[ExpectationOutcome, ...], Path]:
    name_the_main_module()
    import great_expectations as gx
    import great_expectations.expectations as gxe

    for name in ("great_expectations", "great_expectations.data_context.types.base"):  # sets its own level at import
        logging.getLogger(name).setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    data_docs.mkdir(parents=True, exist_ok=True)
    context.add_data_docs_site(
        SITE,
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(data_docs.absolute())},
        },
    )
    # A Spark source of its own would take the session of the process; the frame carries its session along.
    batch = (
        context.data_sources.add_spark(NAME).add_dataframe_asset(NAME).add_batch_definition_whole_dataframe("months")
    )
    suite = context.suites.add(gx.ExpectationSuite(name=NAME))
    expectations = suite_expectations(gxe)
    for name, severity, expectation in expectations:
        expectation.meta = {"rule": name, "severity": severity}
        suite.add_expectation(expectation)
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=NAME, data=batch, suite=suite))
    result = definition.run(batch_parameters={"dataframe": contacts}, result_format=NO_VALUES)
    context.build_data_docs()
    outcomes = []
    for found in result.results:
        meta = (found.expectation_config.meta if found.expectation_config else None) or {}
        count = (found.result or {}).get("unexpected_count")
        outcomes.append(
            ExpectationOutcome(
                str(meta.get("rule")),
                str(meta.get("severity")),
                bool(found.success),
                None if count is None else int(count),
            )
        )
    return tuple(outcomes), data_docs / "index.html"
