"""The shared language: columns and what follows from them. Standard library only at import.

`contract.Contract` is a value that is passed to whoever needs it; `uci.UCI` is the default one.
"""

# Names of the time when there was one contract for a process; rooms that still use them are moved one by one.
from bank_assets.contract.columns import YES_NO, Column, Kind, Known
from bank_assets.contract.errors import LEAKAGE_RULE, ContractError, LeakageError
from bank_assets.contract.names import ALIAS_CHALLENGER, ALIAS_CHAMPION, ALIAS_PREVIOUS_CHAMPION, MODEL_NAME, STAGES
from bank_assets.contract.uci import MONTHS, UCI, UCI_FILE_COLUMNS

CONTRACT_VERSION = str(UCI.version)
COLUMNS = UCI.columns
BY_SOURCE, BY_TABLE = UCI.by_source, UCI.by_table
UCI_COLUMNS = UCI_FILE_COLUMNS
DELIVERY_COLUMNS, OUTCOME_COLUMNS = UCI.delivery_columns, UCI.outcome_columns
CAMPAIGN_COLUMNS, PAYLOAD_COLUMNS = UCI.campaign_columns, UCI.payload_columns
FIRST_CONTACT_MONTH = UCI.first_month
PROTECTED_COLUMNS = UCI.protected_columns
refuse_post_contact = UCI.refuse_post_contact

__all__ = [
    "ALIAS_CHALLENGER", "ALIAS_CHAMPION", "ALIAS_PREVIOUS_CHAMPION", "BY_SOURCE", "BY_TABLE", "CAMPAIGN_COLUMNS",
    "COLUMNS", "CONTRACT_VERSION", "DELIVERY_COLUMNS", "FIRST_CONTACT_MONTH", "LEAKAGE_RULE", "MODEL_NAME", "MONTHS",
    "OUTCOME_COLUMNS", "PAYLOAD_COLUMNS", "PROTECTED_COLUMNS", "STAGES", "UCI_COLUMNS",
    "YES_NO", "Column", "ContractError", "Kind", "Known", "LeakageError", "refuse_post_contact",
]  # fmt: skip
