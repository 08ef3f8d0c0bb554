"""What a visitor of the demo sees in its first month on simulated data, by the replay, which is the same loop."""

import numpy as np
import pytest

from bank_assets.commands.demo import HISTORY_MONTHS
from bank_assets.core.economics.exploration import USUAL_LEARNING
from bank_assets.replay.contacts import read_history
from bank_assets.replay.replay import Job, run_policy
from bank_assets.replay.world import ReplaySettings
from bank_assets.settings import Settings
from bank_assets.sources.source import resolve_source

pytestmark = [pytest.mark.slow, pytest.mark.soak]  # half a minute of fits


def test_the_first_month_has_drift_a_refit_and_a_promotion(tmp_path):
    settings = Settings(home=tmp_path, source="simulated")
    first = np.datetime64(settings.contract.month_after(HISTORY_MONTHS))
    replay = ReplaySettings(
        settings.economics,
        first,
        last_day=first + np.timedelta64(30, "D"),
        seed=settings.seed,
        # All twenty take two minutes. The first of these two wins among them, and finds nobody worth a call in March.
        candidates=("logistic_regression/smote_tomek", "lightgbm/none"),
        learning=USUAL_LEARNING,
    )
    contacts = read_history(resolve_source(settings), settings).contacts
    events = run_policy("platform", Job(contacts, replay, tmp_path / "replay", first), lambda *_: None).counts.events
    models = [event for event in events if event.kind == "model"]
    assert models[0].reason == "there is no model yet", "the first model passed its gate and is not on probation"
    assert any(event.kind == "alert" for event in events)
    assert str(first) < models[1].day
    assert "subscriptions against" in models[1].reason
    assert not [event for event in events if event.kind == "refused"]
