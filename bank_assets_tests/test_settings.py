"""Settings from the environment: choices are checked by name."""

import pytest

from bank_assets.settings import SettingsError, load_settings


def test_the_objective_is_profit_unless_f1_is_chosen():
    assert load_settings({}).objective == "profit"
    assert load_settings({"BANK_OBJECTIVE": "F1"}).objective == "f1"


@pytest.mark.parametrize("name", ["OBJECTIVE", "THRESHOLD", "SEARCH"])
def test_an_unknown_choice_is_refused_by_name(name):
    with pytest.raises(SettingsError, match=f"BANK_{name}: expected .* or .*, found 'auc'; unset it"):
        load_settings({f"BANK_{name}": "auc"})
