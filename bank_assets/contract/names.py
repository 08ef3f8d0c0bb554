"""Names that every room shares and that no contract changes: stages, the registered model, its aliases."""

from __future__ import annotations

from typing import Final

# Stages in the order of the data; each names a module, a Dagster group and a check file.
STAGES: Final = (
    "raw", "tables", "validation", "drift", "performance", "features", "training", "evaluation", "promotion", "scoring",
)  # fmt: skip

MODEL_NAME: Final = "bank-marketing"
ALIAS_CHAMPION: Final = "champion"
ALIAS_CHALLENGER: Final = "challenger"
ALIAS_PREVIOUS_CHAMPION: Final = "previous_champion"
HELD_OUT: Final = "held_out"  # reason of a row of a list: not called, to measure what calling brings
LONGEST_LIST: Final = 92  # days; a wrong date in one row of a list must not keep everybody else for years
CALLS: Final = "calls"  # the groups of a list, each with a file; people call by this one
HOLDOUT: Final = "holdout"
