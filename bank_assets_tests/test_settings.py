"""Settings from the environment: choices are checked by name."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from sqlalchemy.engine import make_url

from bank_assets.__main__ import main
from bank_assets.contract.errors import ContractError
from bank_assets.core.economics.exploration import USUAL_LEARNING, LearningBudget
from bank_assets.environment import SettingsError
from bank_assets.settings import load_settings


def test_the_objective_is_profit_unless_f1_is_chosen():
    assert load_settings({}).objective == "profit"
    assert load_settings({"BANK_OBJECTIVE": "F1"}).objective == "f1"


@pytest.mark.parametrize("name", ["OBJECTIVE", "THRESHOLD", "SEARCH", "FEEDBACK"])
def test_an_unknown_choice_is_refused_by_name(name):
    with pytest.raises(SettingsError, match=f"BANK_{name}: expected .* or .*, found 'auc'; unset it"):
        load_settings({f"BANK_{name}": "auc"})


@pytest.mark.parametrize(
    ("name", "text"),
    [("COST_EUR", "nan"), ("COST_EUR", "5,50"), ("VALUE_EUR", "1.234.567"), ("VALUE_EUR", "5 EUR"),
      ("VALUE_EUR", "2.000"), ("BUDGET_EUR", "-1"), ("BUDGET_EUR", "inf"), ("QUIET_DAYS", "1e400"),
     ("SEED", "1_000"), ("SENSOR_SECONDS", "2.5"), ("SIMULATED_ROWS", "1e4"), ("REJECT_RATE_LIMIT", "5 %")],
)  # fmt: skip
def test_a_number_is_read_as_at_every_door(name, text):
    with pytest.raises(SettingsError, match=f"^BANK_{name}: expected a .*number from .*; unset it"):
        load_settings({f"BANK_{name}": text})
    assert load_settings({f"BANK_{name}": " 1 "}) == load_settings({f"BANK_{name}": "1"})


@pytest.mark.parametrize(
    ("name", "without"), [("BUDGET_EUR", "for none"), ("LEARNING_EUR", "for none"), ("COST_EUR", "for the default 5")]
)
def test_a_refused_setting_says_what_holds_without_it(name, without):
    with pytest.raises(SettingsError, match=f"unset it {without}[.]"):
        load_settings({f"BANK_{name}": "-1"})
    assert load_settings({"BANK_BUDGET_EUR": " "}).budget_eur is None


@pytest.mark.parametrize("text", ["0", "-1", "10", "many", "2e5"])
def test_a_learning_set_too_small_to_learn_from_is_refused_with_the_reason(text):
    with pytest.raises(
        SettingsError, match=r"LEARNING_ROWS: .*from 1,000 to .*, found .*too few subscribers.*200,000[.]"
    ):
        load_settings({"BANK_LEARNING_ROWS": text})
    assert load_settings({"BANK_LEARNING_ROWS": "1000"}).learning_rows == 1_000


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("", "/h/warehouse"),
        ("/lake/a b", "/lake/a b"),
        ("s3://bank-lake", "s3://bank-lake"),
        ("s3://b.1/x/y/", "s3://b.1/x/y"),
    ],
)
def test_tables_are_in_the_home_unless_they_have_a_lake(text, tables):
    settings = load_settings({"BANK_HOME": "/h", "BANK_LAKE": text})
    assert settings.tables == tables
    assert settings.at(Path("/other")).tables == "/other/warehouse", "a home of its own has tables of its own"


def test_deliveries_are_fetched_from_a_bucket_only():
    assert load_settings({"BANK_LANDING": "s3://bank/landing/"}).landing_bucket == "s3://bank/landing"
    with pytest.raises(SettingsError, match=r"^BANK_LANDING: expected s3://bucket/prefix, found '/mnt/in'; unset it"):
        load_settings({"BANK_LANDING": "/mnt/in"})


@pytest.mark.parametrize("text", ["s3:///x", "s3://", "gs://b/x", "s3a://b/x", "s3://b/a b", "s3://b/x?y"])
def test_a_lake_that_is_no_place_is_refused(text):
    with pytest.raises(SettingsError, match=r"^BANK_LAKE: expected a folder or s3://bucket/prefix, found .*; unset it"):
        load_settings({"BANK_LAKE": text})


@pytest.mark.parametrize("text", ["s3://AKIA:secret@bucket", "s3:/AKIA:secret@bucket/lake"])
def test_a_key_in_the_address_of_a_bucket_is_refused_and_not_shown(text):
    with pytest.raises(SettingsError, match=r"BANK_LAKE: expected .*, found '.*…@bucket") as refused:
        load_settings({"BANK_LAKE": text})
    assert "secret" not in str(refused.value)


def test_the_contact_policy_is_a_file(tmp_path):
    assert load_settings({}).contact_policy.one_open_list
    (path := tmp_path / "policy.yaml").write_text("contacts: {at_most: 3, in_days: 30}\n")
    assert load_settings({"BANK_CONTACT_POLICY": str(path)}).contact_policy.at_most == 3
    for text, found in (("contacts: 3", f"{path}, line 1: contacts: expected a mapping"), ("[", "line")):
        path.write_text(text)
        with pytest.raises(SettingsError, match=rf"^BANK_CONTACT_POLICY: .*{found}"):
            load_settings({"BANK_CONTACT_POLICY": str(path)})
    with pytest.raises(SettingsError, match=r"expected a readable file, found No such file .* at nowhere; correct"):
        load_settings({"BANK_CONTACT_POLICY": "nowhere"})


@pytest.mark.parametrize("name", ["a b", "[prod]", "{a}", "*", "50%", "#1", "a:b", "ä", "a&b'c\"", "..."])
def test_a_home_of_any_name_is_one_folder_in_every_address(tmp_path, name):
    settings = load_settings({"BANK_HOME": str(tmp_path / name)})
    assert make_url(settings.ledger_url).database == str(tmp_path / name / "ledger.db")
    assert make_url(settings.mlflow_uri).database == str(tmp_path / name / "mlflow.db")
    assert Path(unquote(urlsplit(settings.mlflow_artifacts).path)) == tmp_path / name / "mlartifacts"


@pytest.mark.parametrize(
    ("name", "found"),
    [("what?", "'?'"), ("a%41", "'%41'"), ("two\nlines", r"'\\n'"), ("a,b", "','"), ("a\udcff", r"'\\udcff'")],
)
def test_a_home_that_a_database_address_cannot_hold_is_refused_by_name(name, found):
    with pytest.raises(SettingsError, match=rf"BANK_HOME: expected .* found {found.replace('?', '[?]')} in .* Rename"):
        load_settings({"BANK_HOME": f"/srv/{name}"})


@pytest.mark.parametrize("text", ["s3://key:s3cret@bank/home", "file:///srv/bank"])
def test_a_home_is_a_folder_and_no_address(text):
    with pytest.raises(SettingsError, match="BANK_HOME: expected a folder of this machine, found") as found:
        load_settings({"BANK_HOME": text})
    assert "s3cret" not in str(found.value)


@pytest.mark.parametrize("text", ["often", "@hourly", "7 * * *", "7 * * * * *", "a * * * *"])
def test_a_schedule_that_is_none_is_refused_by_name(text):
    assert load_settings({"BANK_PULL_CRON": "*/5 8-18 * JAN,FEB mon-fri"}).pull_cron == "*/5 8-18 * JAN,FEB mon-fri"
    with pytest.raises(SettingsError, match="BANK_PULL_CRON: expected five fields"):
        load_settings({"BANK_PULL_CRON": text})


def test_a_blank_setting_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings({"BANK_HOME": "  ", "BANK_TIMEZONE": " "}) == load_settings({})


@pytest.mark.parametrize("error", [SettingsError, ContractError])
def test_what_a_command_refuses_while_it_is_imported_is_one_sentence(error, monkeypatch, capsys):
    def refused(_module: str) -> None:
        raise error("BANK_CONTRACT: expected another one.")

    monkeypatch.setattr("bank_assets.__main__.import_module", refused)
    assert main(["run"]) == 2
    assert capsys.readouterr().err == "BANK_CONTRACT: expected another one.\n"


@pytest.mark.parametrize("zone", ["Lisbon", "europe/lisbonne", "Europe", "/etc/localtime", "../x", "UTC+1"])
def test_an_unknown_time_zone_is_one_sentence_at_the_command_line(zone, monkeypatch, capsys):
    monkeypatch.setenv("BANK_TIMEZONE", zone)
    assert main(["prune"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("BANK_TIMEZONE: expected a time zone like Europe/Lisbon, found")
    assert len(told.splitlines()) == 1


def test_a_password_is_given_as_it_is_or_as_the_file_that_holds_it(tmp_path):
    secret = tmp_path / "crm"
    secret.write_text("s3cret\n")
    for given in ({"BANK_SOURCE_PASSWORD": "s3cret"}, {"BANK_SOURCE_PASSWORD_FILE": str(secret)}):
        assert load_settings(given).source_password == "s3cret"
    with pytest.raises(SettingsError, match="BANK_SOURCE_PASSWORD_FILE: expected a readable file, found No such file"):
        load_settings({"BANK_SOURCE_PASSWORD_FILE": str(tmp_path / "none")})


def test_lists_explore_where_only_called_contacts_teach():
    budgets = [load_settings({"BANK_FEEDBACK": one}).learning for one in ("full", "called")]
    assert budgets == [LearningBudget(), USUAL_LEARNING]
    assert load_settings({"BANK_FEEDBACK": "called", "BANK_LEARNING_SHARE": "0.1"}).learning.minimum == 8
