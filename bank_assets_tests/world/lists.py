"""Call lists on record, for tests that need rows of lists and neither a model nor a file."""

from bank_assets.ledger import campaigns
from bank_assets.ledger.blocks import ListRows
from bank_assets.ledger.campaigns import CampaignList

REASONS = ("worth_calling", "held_out", "exploration", "not_worth_calling", "suppressed")
CALLED = ("worth_calling", "exploration")
FACTS = {
    "model_name": "bank-marketing",
    "model_version": "3",
    "model_digest": "d" * 64,
    "mlflow_run_id": "run",
    "training_snapshot": "s" * 64,
    "as_of": "2010-11-16",
    "as_of_features": {"rates": {"subscription_rate_7d": 0.4}, "typical_plan": {"contacts_planned_that_day": 9.0}},
    "plan_of_the_day": {"2010-11-17": {"contacts_planned_that_day": 3.0}},
    "stale_days": [],
    "f1_threshold": 0.3,
    "flags": [],
    "contract_version": "1",
    "code_version": "abc",
    "onnxruntime_version": "1",
    "cpu_architecture": "x86_64",
}


def rows_of(n, prefix="c", customers=None):
    """Rows of contacts `<prefix>-0`, `<prefix>-1` …, one reason after the other."""
    reasons = [REASONS[i % len(REASONS)] for i in range(n)]
    probability = [(i % 97 + 1) / 100 for i in range(n)]
    return ListRows(
        [f"{prefix}-{i}" for i in range(n)],
        customers or [None] * n,
        {"age": [20 + i % 60 for i in range(n)], "job": [("management", "ärztin")[i % 2] for i in range(n)]},
        {
            "contact_date": ["2010-11-17"] * n,
            "probability": probability,
            "probability_low": [one / 2 for one in probability],
            "probability_high": [one + 0.01 for one in probability],
            "decision": ["call" if reason in CALLED else "do_not_call" for reason in reasons],
            "reason": reasons,
            "propensity": [0.9] * n,
            "rank": [i + 1 if reason in CALLED else 0 for i, reason in enumerate(reasons)],
            "decile": [1 + i * 10 // n for i in range(n)],
            "threshold": [0.1] * n,
            "cost_eur": [5.0] * n,
            "value_eur": [50.0] * n,
            "expected_profit_eur": [round(one * 50 - 5, 6) for one in probability],
        },
    )


def keep(ledger, rows, name="autumn", **values):
    """Put a list on record."""
    made = {
        "actor": "ana",
        "name": name,
        "model_version": "3",
        "model_digest": "d" * 64,
        "economics": {"cost_eur": 5.0, "value_eur": 50.0},
        "request": {},
        "summary": {"called": {"n_calls": 1, "expected_profit_eur": 1.0}},
        "content_digest": "e" * 64,
    }
    return campaigns.keep_list(ledger, CampaignList(**(made | values)), rows, FACTS)
