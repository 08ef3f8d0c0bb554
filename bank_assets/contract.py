"""The shared language: every column, its type, unit, allowed values, and when it is known.

What lives here: column definitions, source and table names, table keys, model name and aliases, stage words.
What must not: any import beyond the standard library, any I/O, any threshold that is a policy (see `settings`
and the policies beside their pure functions in `core`).
Called by everybody: Spark schemas, Great Expectations suites, feature assembly, API schemas, forms and docs are
all built from the definitions below, so they cannot disagree.

Source of the column meanings: S. Moro, P. Rita, P. Cortez, UCI dataset 222 (DOI 10.24432/C5K306).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CONTRACT_VERSION: Final = "1"
"""Changes when a column, a bound or a table name changes; logged with every model and decision."""


class Known(StrEnum):
    """When a column's value is known, which decides where it may be used."""

    IDENTIFIER = "identifier"
    PRE_CONTACT = "pre_contact"
    POST_CONTACT = "post_contact"
    TARGET = "target"


class Kind(StrEnum):
    """The logical type of a column."""

    INTEGER = "integer"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    DATE = "date"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a delivery and of the `contacts` table.

    Attributes:
        source: name in deliveries, API payloads, bundle signatures and reports.
        table: snake_case name with unit, used in every table from `tables` on.
        kind: logical type; booleans are `yes`/`no` in deliveries.
        known: when the value is known.
        description: one sentence for catalog, form help and docs.
        unit: unit of the value, or "" for none.
        minimum: smallest allowed value, inclusive (integers only).
        maximum: largest allowed value, inclusive (integers only).
        categories: allowed values in their canonical order (categories only).
        protected: True if a fairness report must be made by this column.
        sentinel: value that stands for "none" and is split off as a point mass in drift statistics.
        default: sensible value for a form.
    """

    source: str
    table: str
    kind: Kind
    known: Known
    description: str
    unit: str = ""
    minimum: int | None = None
    maximum: int | None = None
    categories: tuple[str, ...] = ()
    protected: bool = False
    sentinel: int | None = None
    default: str | int | None = None


YES_NO: Final = ("no", "yes")
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

COLUMNS: Final[tuple[Column, ...]] = (
    Column(
        "contact_id",
        "contact_id",
        Kind.STRING,
        Known.IDENTIFIER,
        "Identifier of the contact, unique over all deliveries.",
    ),
    Column("contact_date", "contact_date", Kind.DATE, Known.PRE_CONTACT, "Day of the call.", unit="date"),
    Column(
        "age",
        "age_years",
        Kind.INTEGER,
        Known.PRE_CONTACT,
        "Age of the customer.",
        unit="years",
        minimum=16,
        maximum=120,
        protected=True,
        default=40,
    ),
    Column(
        "job",
        "job",
        Kind.CATEGORY,
        Known.PRE_CONTACT,
        "Type of job.",
        default="management",
        categories=(
            "admin.",
            "blue-collar",
            "entrepreneur",
            "housemaid",
            "management",
            "retired",
            "self-employed",
            "services",
            "student",
            "technician",
            "unemployed",
            "unknown",
        ),
    ),
    Column(
        "marital",
        "marital_status",
        Kind.CATEGORY,
        Known.PRE_CONTACT,
        "Marital status; divorced includes widowed.",
        protected=True,
        default="married",
        categories=("divorced", "married", "single"),
    ),
    Column(
        "education",
        "education",
        Kind.CATEGORY,
        Known.PRE_CONTACT,
        "Highest education.",
        default="secondary",
        categories=("primary", "secondary", "tertiary", "unknown"),
    ),
    Column(
        "default",
        "has_credit_default",
        Kind.BOOLEAN,
        Known.PRE_CONTACT,
        "Has a credit in default.",
        categories=YES_NO,
        default="no",
    ),
    Column(
        "balance",
        "balance_eur",
        Kind.INTEGER,
        Known.PRE_CONTACT,
        "Average yearly account balance.",
        unit="EUR",
        minimum=-1_000_000,
        maximum=10_000_000,
        sentinel=0,
        default=450,
    ),
    Column(
        "housing",
        "has_housing_loan",
        Kind.BOOLEAN,
        Known.PRE_CONTACT,
        "Has a housing loan.",
        categories=YES_NO,
        default="yes",
    ),
    Column(
        "loan",
        "has_personal_loan",
        Kind.BOOLEAN,
        Known.PRE_CONTACT,
        "Has a personal loan.",
        categories=YES_NO,
        default="no",
    ),
    Column(
        "contact",
        "contact_channel",
        Kind.CATEGORY,
        Known.PRE_CONTACT,
        "Channel of the contact.",
        categories=("cellular", "telephone", "unknown"),
        default="cellular",
    ),
    Column(
        "day",
        "contact_day",
        Kind.INTEGER,
        Known.PRE_CONTACT,
        "Day of the month of the call.",
        unit="day",
        minimum=1,
        maximum=31,
    ),
    Column("month", "contact_month", Kind.CATEGORY, Known.PRE_CONTACT, "Month of the call.", categories=MONTHS),
    Column(
        "duration",
        "duration_seconds",
        Kind.INTEGER,
        Known.POST_CONTACT,
        "Length of the call; known only after it, so never an input of a model.",
        unit="s",
        minimum=0,
        maximum=86_400,
    ),
    Column(
        "campaign",
        "contacts_in_campaign",
        Kind.INTEGER,
        Known.PRE_CONTACT,
        "Number of contacts in this campaign, this one included.",
        unit="contacts",
        minimum=1,
        maximum=1_000,
        default=1,
    ),
    Column(
        "pdays",
        "days_since_previous_contact",
        Kind.INTEGER,
        Known.PRE_CONTACT,
        "Days since the last contact of an earlier campaign; -1 if there was none.",
        unit="days",
        minimum=-1,
        maximum=10_000,
        sentinel=-1,
        default=-1,
    ),
    Column(
        "previous",
        "previous_contacts",
        Kind.INTEGER,
        Known.PRE_CONTACT,
        "Number of contacts before this campaign.",
        unit="contacts",
        minimum=0,
        maximum=10_000,
        sentinel=0,
        default=0,
    ),
    Column(
        "poutcome",
        "previous_outcome",
        Kind.CATEGORY,
        Known.PRE_CONTACT,
        "Outcome of the previous campaign.",
        categories=("failure", "other", "success", "unknown"),
        default="unknown",
    ),
    Column("y", "is_subscribed", Kind.BOOLEAN, Known.TARGET, "Subscribed to a term deposit.", categories=YES_NO),
)

BY_SOURCE: Final = {column.source: column for column in COLUMNS}
BY_TABLE: Final = {column.table: column for column in COLUMNS}

UCI_COLUMNS: Final = (
    "age",
    "job",
    "marital",
    "education",
    "default",
    "balance",
    "housing",
    "loan",
    "contact",
    "day",
    "month",
    "duration",
    "campaign",
    "pdays",
    "previous",
    "poutcome",
    "y",
)
"""Header of the UCI file, in its order."""

DELIVERY_COLUMNS: Final = ("contact_id", "contact_date", *UCI_COLUMNS)
"""Header of a contacts delivery; order is free, the set is not."""

OUTCOME_COLUMNS: Final = ("contact_id", "y", "duration", "arrived_at")
"""Header of an outcomes delivery."""

CAMPAIGN_COLUMNS: Final = tuple(
    c for c in DELIVERY_COLUMNS if BY_SOURCE[c].known in (Known.IDENTIFIER, Known.PRE_CONTACT)
)
"""Header of a campaign file: customers to be called, so nothing that is known only after the call."""

FIRST_CONTACT_MONTH: Final = "2008-05"
"""First month of the time axis: the first partition; a contact dated before it is rejected as a row."""

PAYLOAD_COLUMNS: Final = (
    "age",
    "job",
    "marital",
    "education",
    "default",
    "balance",
    "housing",
    "loan",
    "contact",
    "campaign",
    "pdays",
    "previous",
    "poutcome",
)
"""Required fields of an API payload; `day` and `month` follow from `contact_date`."""

PROTECTED_COLUMNS: Final = tuple(c.source for c in COLUMNS if c.protected)

STAGES: Final = (
    "raw",
    "tables",
    "validation",
    "drift",
    "performance",
    "features",
    "training",
    "evaluation",
    "promotion",
    "scoring",
)
"""Stage words in the order of the data's journey: module, group, check file, test file and README heading."""

MODEL_NAME: Final = "bank-marketing"
ALIAS_CHAMPION: Final = "champion"
ALIAS_CHALLENGER: Final = "challenger"
ALIAS_PREVIOUS_CHAMPION: Final = "previous_champion"

LEAKAGE_RULE: Final = "post_contact_columns_are_never_inputs"
"""Name of the rule that error messages and checks cite when a post-contact column is offered as an input."""


class ContractError(ValueError):
    """Something does not fit the contract; the message says what was expected, what was found and what to do."""


class LeakageError(ContractError):
    """A column that is known only after the call was offered as an input."""


def refuse_post_contact(columns: list[str] | tuple[str, ...]) -> None:
    """Refuse columns that are known only after the call (or are the target) as model inputs.

    Args:
        columns: names offered as inputs, in delivery or table spelling.

    Raises:
        LeakageError: names the columns and the rule; drop them from the inputs.
    """
    leaking = [
        c
        for c in columns
        if (column := BY_SOURCE.get(c) or BY_TABLE.get(c)) is not None
        and column.known in (Known.POST_CONTACT, Known.TARGET)
    ]
    if leaking:
        raise LeakageError(
            f"{LEAKAGE_RULE}: expected only columns known before the call, found {leaking}; "
            f"they are known only after it, so remove them from the inputs."
        )
