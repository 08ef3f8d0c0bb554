"""The default contract: the columns of the UCI file, their types, units, allowed values, and when they are known.

Meanings: S. Moro, P. Rita, P. Cortez, UCI dataset 222 (DOI 10.24432/C5K306).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bank_assets.contract.columns import YES_NO, Column, ColumnKind, ColumnRole, KnownWhen, ListStatistic, Summary
from bank_assets.contract.contract import Contract

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_CUSTOMER, _ACCOUNTS, _EARLIER, _CALL = _GROUPS = ("Customer", "Accounts", "Earlier campaigns", "This call")
_ID, _PRE, _POST = KnownWhen.IDENTIFIER, KnownWhen.PRE_CONTACT, KnownWhen.POST_CONTACT
_DATE, _TEXT = ColumnKind.DATE, ColumnKind.STRING
_INTEGER, _CATEGORY, _BOOLEAN = ColumnKind.INTEGER, ColumnKind.CATEGORY, ColumnKind.BOOLEAN
_JOBS: Final = (
    "admin.", "blue-collar", "entrepreneur", "housemaid", "management", "retired", "self-employed", "services",
    "student", "technician", "unemployed", "unknown",
)  # fmt: skip

# Written as a table: first what a column holds, in the order of `Column`, then its role and its wording.
_COLUMNS: Final[tuple[Column, ...]] = (
    Column("contact_id", "contact_id", _TEXT, _ID, "Identifier of the contact, unique over all deliveries.",
           role=ColumnRole.CONTACT_ID, group=_CALL, label="Contact id"),
    Column("contact_date", "contact_date", _DATE, _PRE, "Day of the call.", "date",
           role=ColumnRole.CONTACT_DATE, group=_CALL, label="Day of the call"),
    Column("age", "age_years", _INTEGER, _PRE, "Age of the customer.", "years", 16, 120, default=40, protected=True,
           group=_CUSTOMER, label="Age", phrase="Age {}"),
    Column("job", "job", _CATEGORY, _PRE, "Type of job.", categories=_JOBS, default="management",
           group=_CUSTOMER, label="Job", phrase="Job: {}",
           words=(("unknown", "Job not known"), ("admin.", "Job: administration"))),
    Column("marital", "marital_status", _CATEGORY, _PRE, "Marital status; divorced includes widowed.",
           categories=("divorced", "married", "single"), default="married", protected=True,
           group=_CUSTOMER, label="Marital status", phrase="Marital: {}",
           words=(("divorced", "Divorced or widowed"), ("married", "Married"), ("single", "Single"))),
    Column("education", "education", _CATEGORY, _PRE, "Highest education.",
           categories=("primary", "secondary", "tertiary", "unknown"), default="secondary",
           group=_CUSTOMER, label="Education", phrase="Education: {}", words=(("unknown", "Education not known"),)),
    Column("default", "has_credit_default", _BOOLEAN, _PRE, "Has a credit in default.", categories=YES_NO, default="no",
           group=_ACCOUNTS, label="Credit in default",
           words=(("yes", "Has a credit in default"), ("no", "No credit in default"))),
    Column("balance", "balance_eur", _INTEGER, _PRE, "Average yearly account balance.", "EUR", -1_000_000, 10_000_000,
           sentinel=0, default=450, group=_ACCOUNTS, label="Yearly balance", phrase="Yearly balance of {} EUR"),
    Column("housing", "has_housing_loan", _BOOLEAN, _PRE, "Has a housing loan.", categories=YES_NO, default="yes",
           group=_ACCOUNTS, label="Housing loan", words=(("yes", "Has a housing loan"), ("no", "No housing loan"))),
    Column("loan", "has_personal_loan", _BOOLEAN, _PRE, "Has a personal loan.", categories=YES_NO, default="no",
           group=_ACCOUNTS, label="Personal loan", words=(("yes", "Has a personal loan"), ("no", "No personal loan"))),
    Column("contact", "contact_channel", _CATEGORY, _PRE, "Channel of the contact.",
           categories=("cellular", "telephone", "unknown"), default="cellular",
           role=ColumnRole.CHANNEL, group=_CALL, label="Channel", phrase="Contact by {}",
           words=(("cellular", "Contact by mobile phone"), ("telephone", "Contact by landline"),
                  ("unknown", "Channel not known"))),
    Column("day", "contact_day", _INTEGER, _PRE, "Day of the month of the call.", "day", 1, 31,
           role=ColumnRole.CALENDAR),
    Column("month", "contact_month", _CATEGORY, _PRE, "Month of the call.", categories=MONTHS,
           role=ColumnRole.CALENDAR),
    Column("duration", "duration_seconds", _INTEGER, _POST,
           "Length of the call; known only after it, so never an input of a model.", "s", 0, 86_400),
    Column("campaign", "contacts_in_campaign", _INTEGER, _PRE,
           "Number of contacts in this campaign, this one included.", "contacts", 1, 1_000, default=1,
           role=ColumnRole.ATTEMPTS, group=_CALL, label="Contacts in this campaign",
           phrase="Contact number {} of this campaign", words=(("1", "First contact of this campaign"),)),
    Column("pdays", "days_since_previous_contact", _INTEGER, _PRE,
           "Days since the last contact of an earlier campaign; -1 if there was none.", "days", -1, 10_000,
           sentinel=-1, default=-1, role=ColumnRole.DAYS_SINCE_PREVIOUS, group=_EARLIER,
           label="Days since last contact", phrase="Last contacted {} days ago",
           words=(("-1", "Never contacted in an earlier campaign"),)),
    Column("previous", "previous_contacts", _INTEGER, _PRE, "Number of contacts before this campaign.", "contacts",
           0, 10_000, sentinel=0, default=0, role=ColumnRole.PREVIOUS_CAMPAIGN, group=_EARLIER,
           label="Earlier contacts", phrase="{} contacts before this campaign",
           words=(("0", "No contact before this campaign"), ("1", "1 contact before this campaign"))),
    Column("poutcome", "previous_outcome", _CATEGORY, _PRE, "Outcome of the previous campaign.",
           categories=("failure", "other", "success", "unknown"), default="unknown",
           role=ColumnRole.PREVIOUS_CAMPAIGN, group=_EARLIER,
           label="Last campaign's outcome", phrase="Previous campaign: {}",
           words=(("success", "Previous campaign was a success"), ("failure", "Previous campaign was a failure"),
                  ("other", "Previous campaign ended otherwise"), ("unknown", "No result of a previous campaign"))),
    Column("y", "is_subscribed", _BOOLEAN, KnownWhen.TARGET, "Subscribed to a term deposit.", categories=YES_NO,
           role=ColumnRole.TARGET),
)  # fmt: skip

_LIST_STATISTICS: Final = (
    ListStatistic("plan_share_housing_loan", "housing", values=("yes",)),
    ListStatistic("plan_share_personal_loan", "loan", values=("yes",)),
    ListStatistic("plan_share_telephone", "contact", values=("telephone",)),
    ListStatistic("plan_share_cellular", "contact", values=("cellular",)),
    ListStatistic("plan_share_never_contacted", "poutcome", values=("unknown",)),
    ListStatistic("plan_share_previous_success", "poutcome", values=("success",)),
    ListStatistic("plan_share_first_call", "campaign", high=1),
    ListStatistic("plan_share_age_60_up", "age", low=60),
    ListStatistic("plan_share_age_under_30", "age", high=29),
    ListStatistic("plan_share_retired_or_student", "job", values=("retired", "student")),
    ListStatistic("plan_share_blue_collar", "job", values=("blue-collar",)),
    ListStatistic("plan_share_tertiary", "education", values=("tertiary",)),
    ListStatistic("plan_share_single", "marital", values=("single",)),
    ListStatistic("plan_mean_campaign", "campaign", Summary.MEAN, high=10),
    ListStatistic("plan_mean_log_balance", "balance", Summary.LOG_MEAN),
)

UCI: Final = Contract("uci", 1, "2008-05", _COLUMNS, _LIST_STATISTICS, _GROUPS)

# Header of the UCI file, in its order: it has neither ids nor dates, and no column that was added later.
UCI_FILE_COLUMNS: Final = tuple(
    name
    for name in UCI.delivery_columns
    if name not in (UCI.contact_id.source, UCI.contact_date.source, *UCI.optional_columns)
)


def contract_on_record(document: Mapping[str, Any] | None) -> Contract:
    """The contract of a bundle; bundles of the first releases carry none and were made under version 1 of UCI."""
    return UCI.at(1) if document is None else Contract.from_dict(document)
