"""Great Expectations judges months: one row of facts per month in, findings by month out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bank_assets.contract.contract import Contract
from bank_assets.contract.time_axis import far_months
from bank_assets.core.drift.month_profile import MonthProfile, month_facts
from bank_assets.expectations.suite import ERROR, WARNING, Expectation, expectations, rule_codes

NAME: Final = "contacts"
SITE: Final = "local"
# Results may name rows, because the rows of the frame are months, not customers.
NAMES_MONTHS: Final = {"result_format": "COMPLETE", "unexpected_index_column_names": ["month"]}


def validate_contacts(
    profiles: Sequence[MonthProfile],
    months: Sequence[str],
    contract: Contract,
    *,
    reject_rate_limit: float,
    data_docs: Path,
) -> dict[str, dict[str, list[str]]]:
    """The findings of months of contacts, as sentences by month and severity; an ERROR holds the month.

    Args:
        profiles: all months that have deliveries, in order; each is compared with those before it.
        months: the months to judge, each with a profile.
        contract: the columns.
        reject_rate_limit: largest share of rows that may stay unusable, [0, 1].
        data_docs: folder of Great Expectations' own report; made if needed.
    """
    rows = {month: row for month, row in _facts(profiles, contract).items() if month in set(months)}
    by_profile = {profile.month: profile for profile in profiles}
    found: dict[str, dict[str, list[str]]] = {month: {ERROR: [], WARNING: []} for month in months}
    for expectation, unmet in _judged(rows, expectations(contract, reject_rate_limit), data_docs):
        for month, value in unmet.items():
            text = expectation.sentence(value)
            if expectation.fact == "uncorrected_share":
                profile = by_profile[month]
                fault = profile.commonest_fault(contract)
                text += (
                    f" ({profile.uncorrected} of {profile.contacts + profile.uncorrected})"
                    f"{f', {fault}' if fault else ''}; correct the delivery or raise the limit"
                )
            found[month][expectation.severity].append(text)
    return found


def _facts(profiles: Sequence[MonthProfile], contract: Contract) -> dict[str, dict[str, float | None]]:
    """One row of facts per month; a corrected month has no share of violations left to judge."""
    rows: dict[str, dict[str, float | None]] = {}
    filled: list[MonthProfile] = []
    far = far_months({profile.month: profile.contacts for profile in profiles}, contract)
    for profile in profiles:
        rows[profile.month] = month_facts(profile, filled, contract)
        rows[profile.month]["far_contacts"] = profile.contacts if profile.month in far else 0
        for code in rule_codes(contract):
            share = profile.violations.get(code, 0) / profile.rows if profile.rows and profile.uncorrected else None
            rows[profile.month][f"violation_share.{code}"] = share
        if profile.contacts:
            filled.append(profile)
    return rows


def _judged(
    rows: Mapping[str, Mapping[str, float | None]], suite: Sequence[Expectation], data_docs: Path
) -> list[tuple[Expectation, dict[str, float]]]:
    """Each expectation with the months that do not meet it, and their values."""
    import pandas as pd

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
    frame = pd.DataFrame(
        {fact: [row[fact] for row in rows.values()] for fact in {one.fact: 0 for one in suite}}, dtype=float
    )
    frame.insert(0, "month", list(rows))
    source = context.data_sources.add_pandas(NAME)
    batch = source.add_dataframe_asset(NAME).add_batch_definition_whole_dataframe("months")
    # All at once: a suite that is given one after the other is stored anew, whole, after each of them.
    compiled = context.suites.add(
        gx.ExpectationSuite(
            name=NAME,
            expectations=[
                gxe.ExpectColumnValuesToBeBetween(
                    column=one.fact,
                    min_value=one.low,
                    max_value=one.high,
                    meta={"number": number, "rule": one.name, "severity": one.severity, "expected": one.expected},
                )
                for number, one in enumerate(suite)
            ],
        )
    )
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=NAME, data=batch, suite=compiled))
    result = definition.run(batch_parameters={"dataframe": frame}, result_format=NAMES_MONTHS)
    context.build_data_docs()
    return [_unmet(suite, found) for found in result.results]


def _unmet(suite: Sequence[Expectation], found: Any) -> tuple[Expectation, dict[str, float]]:
    expectation = suite[found.expectation_config.meta["number"]]
    if found.exception_info.get("raised_exception"):
        raise RuntimeError(
            f"Great Expectations: expected a verdict on {expectation.name}, found "
            f"{found.exception_info.get('exception_message')}; no month was judged."
        )
    unmet = {
        str(item["month"]): float(item[expectation.fact])
        for item in (found.result or {}).get("unexpected_index_list") or ()
    }
    if bool(found.success) is bool(unmet):
        raise RuntimeError(
            f"Great Expectations: expected the months that do not meet {expectation.name}, found none named; "
            "no month was judged."
        )
    return expectation, unmet


def name_the_main_module() -> None:
    """Give the main module a file, if it has none.

    A run that Dagster's code server starts has none, because Python's `spawn` leaves out `python -m package` parents.
    PySpark's connect client, which Great Expectations imports, then takes the process for its own doctests, misses a
    package and ends it with exit code 0 (pyspark/sql/connect/utils.py). Every run from the UI failed at this stage.
    """
    main = sys.modules["__main__"]
    if not hasattr(main, "__file__"):
        main.__file__ = __file__
