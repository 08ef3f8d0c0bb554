"""Settings of serving from the environment, and the commands of `python -m serving`."""

import io
import sys

import pytest
from sqlalchemy import text

from bank_assets.environment import SettingsError
from bank_assets.ledger import accounts, chain, decisions
from bank_assets.ledger.engine import open_ledger, writing
from bank_assets.ledger.ids import new_id
from bank_assets.ledger.records import Draft
from bank_assets.revision import git_revision
from serving.__main__ import main
from serving.settings import load_serving_settings


def test_defaults_are_local(tmp_path):
    settings = load_serving_settings({"BANK_HOME": str(tmp_path)})
    assert (settings.host, settings.port, settings.is_local_mode) == ("127.0.0.1", 8000, True)
    assert settings.bundles == tmp_path / "serving"


def test_the_recorded_code_version_is_the_one_that_a_models_lineage_names(tmp_path):
    home = {"BANK_HOME": str(tmp_path)}
    assert load_serving_settings(home).code_version == git_revision() != ""
    assert load_serving_settings({**home, "BANK_REVISION": "abc"}).code_version == "abc"
    assert load_serving_settings({**home, "BANK_REVISION": "abc", "BANK_CODE_VERSION": "d"}).code_version == "d"


def test_the_secret_is_made_once_private_and_not_shown(tmp_path):
    first, again = (load_serving_settings({"BANK_HOME": str(tmp_path)}) for _ in range(2))
    assert len(first.secret) == 64
    assert first.secret == again.secret
    assert (tmp_path / "serving" / "secret").stat().st_mode & 0o777 == 0o600
    assert first.secret not in repr(first)


def test_a_secret_that_could_not_be_written_is_made_again(tmp_path):
    file = tmp_path / "serving" / "secret"
    file.parent.mkdir()
    file.touch()
    assert len(load_serving_settings({"BANK_HOME": str(tmp_path)}).secret) == 64


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "0"), ("PORT", "70000"), ("PORT", "x"), ("LOGIN", "perhaps"), ("SECRET", "short"), ("MAX_WAITING", "-1")],
)
def test_unusable_values_are_named(tmp_path, name, value):
    with pytest.raises(SettingsError, match=f"BANK_{name}: expected"):
        load_serving_settings({"BANK_HOME": str(tmp_path), f"BANK_{name}": value})


def test_stated_values_are_used(tmp_path):
    env = {"BANK_HOME": str(tmp_path), "BANK_HOST": "0.0.0.0", "BANK_PORT": "9000", "BANK_LOGIN": "required",
           "BANK_SECRET": "s" * 40, "BANK_ALLOWED_HOSTS": "a.example, b.example"}  # fmt: skip
    settings = load_serving_settings(env)
    assert (settings.port, settings.is_local_mode, settings.secret) == (9000, False, "s" * 40)
    assert settings.allowed_hosts == ("a.example", "b.example")


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("LEDGER_URL", "HOST", "PORT", "LOGIN"):
        monkeypatch.delenv(f"BANK_{name}", raising=False)
    monkeypatch.setenv("BANK_HOME", str(tmp_path))
    return tmp_path


def ledger_of(home):
    return open_ledger(f"sqlite:///{home / 'ledger.db'}")


def test_a_user_is_created_and_disabled(home, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse battery\n"))
    assert main(["user", "ana", "--role", "admin"]) == 0
    engine = ledger_of(home)
    assert accounts.log_in(engine, "ana", "correct horse battery", hours=1)
    monkeypatch.setattr(sys, "stdin", io.StringIO("another horse battery\n"))
    assert main(["user", "ana"]) == 0
    token = accounts.log_in(engine, "ana", "another horse battery", hours=1)
    assert accounts.session_identity(engine, token).role == "admin"
    assert main(["user", "ana", "--disable"]) == 0
    assert accounts.log_in(engine, "ana", "another horse battery", hours=1) is None


def test_an_unknown_user_or_key_cannot_be_disabled(home, capsys):
    assert main(["user", "bert", "--disable"]) == 1
    assert main(["key", "crm", "--revoke"]) == 1
    assert "none named 'bert'" in capsys.readouterr().err


def test_a_short_password_is_refused_with_a_sentence(home, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert main(["user", "ana"]) == 1
    assert "at least 12 characters" in capsys.readouterr().err


def test_a_key_is_printed_once_and_can_be_revoked(home, capsys):
    assert main(["key", "crm", "--scope", "predict", "--rate", "60"]) == 0
    key = capsys.readouterr().out.strip()
    engine = ledger_of(home)
    assert accounts.key_identity(engine, key).rate_per_minute == 60
    assert main(["key", "crm", "--revoke"]) == 0
    assert accounts.key_identity(engine, key) is None
    assert main(["key", "crm", "--revoke"]) == 1
    assert main(["key", "other"]) == 1


@pytest.mark.parametrize("text", ["2.000", "1e3", "-1", " ", "0", "60.0", "9999999"])
def test_a_rate_is_read_as_any_whole_number(home, text, capsys):
    with pytest.raises(SystemExit):
        main(["key", "crm", "--scope", "predict", "--rate", text])
    assert "argument --rate: expected a whole number from 1 to 1,000,000, found" in capsys.readouterr().err


def some_decisions(engine, n):
    made = []
    for i in range(n):
        values = {
            "id": new_id(), "decided_at": "2020-01-01T00:00:00.000000Z", "actor": "a", "batch_id": None,
            "contact_id": f"c-{i}", "customer_id": None, "contact_date": "2010-11-17", "payload": "{}",
            "probability": 0.5, "probability_low": 0.4, "probability_high": 0.6, "prediction": "yes",
            "decision": "call", "threshold": 0.1, "expected_profit_eur": 20.0,
            "economics": "{}", "model_name": "m", "model_version": "1",
            "model_digest": "d", "mlflow_run_id": None, "training_snapshot": None, "as_of": None,
            "as_of_features": "{}", "stale_features": False, "flags": "[]", "contract_version": "1",
            "code_version": "c", "onnxruntime_version": "1", "cpu_architecture": "x",
        }  # fmt: skip
        made.append(Draft(**values))
    decisions.append(engine, made)


def test_verify_prints_an_anchor_that_it_takes_back(home, capsys):
    some_decisions(ledger_of(home), 3)
    assert main(["verify"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ok: 3 decisions, 0 erased, 0 events, 0 rows of lists; anchor 3:")
    anchor = out.split("anchor ")[1].strip()
    assert main(["verify", "--anchor", anchor]) == 0
    assert main(["verify", "--anchor", "3:" + "0" * 64]) == 1
    assert "BROKEN" in capsys.readouterr().out
    assert main(["verify", "--anchor", "kept"]) == 1
    assert "anchor: expected what `verify` printed, number:hash:number:hash, found 'kept'" in capsys.readouterr().err


def test_rows_that_no_event_covers_are_named_and_can_be_put_on_record(home, capsys):
    with writing(ledger_of(home)) as connection:
        row = "('c-1', 'objection', '2026-01-01', 'earlier release')"
        connection.execute(text(f"INSERT INTO suppressions (contact_id, reason, at, actor) VALUES {row}"))
    assert main(["verify"]) == 1
    assert "expected every row of suppressions to belong to an event, found 1" in capsys.readouterr().out
    assert main(["cover", "--reason", "update"]) == 0
    assert main(["verify"]) == 0
    assert "1 events" in capsys.readouterr().out


def test_erase_by_contact_person_and_age(home, capsys):
    engine = ledger_of(home)
    some_decisions(engine, 4)
    assert main(["erase", "--contact-id", "c-1", "--reason", "Art. 17 request", "--yes"]) == 0
    assert main(["erase", "--customer-id", "c-3", "--reason", "Art. 17 request", "--yes"]) == 0
    assert main(["erase", "--decided-before", "2021-01-01", "--reason", "retention", "--yes"]) == 0
    assert main(["erase", "--reason", "everything", "--yes"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "1 records and 0 files would lose their customer's data for good",
        "erased 1 records and 0 files",
        "1 records and 0 files would lose their customer's data for good",
        "erased 1 records and 0 files",
        "2 records and 0 files would lose their customer's data for good",
        "erased 2 records and 0 files",
    ]
    result = chain.verify(engine)
    assert (result.ok, result.erased) == (True, 4)


@pytest.mark.parametrize(
    "text",
    ["31.12.2009", "9", "notadate", "", "20091231", "2009-W53-4", "2009-02-30", "2009-12-31T00:00", "2999-01-01"],
)
def test_an_unreadable_or_future_day_erases_nothing(home, capsys, text):
    engine = ledger_of(home)
    some_decisions(engine, 3)
    assert main(["erase", "--decided-before", text, "--reason", "retention", "--yes"]) == 1
    assert "expected" in capsys.readouterr().err
    assert chain.verify(engine).erased == 0


class Terminal(io.StringIO):
    """Standard input of a person at a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stdin", "erased"), [(io.StringIO("yes\n"), 0), (Terminal("no\n"), 0), (Terminal("\n"), 0), (Terminal("yes\n"), 2)]
)
@pytest.mark.parametrize("whose", [["--decided-before", "2021-01-01"], ["--contact-id", "c-1"]])
def test_an_erasure_is_a_dry_run_until_a_person_confirms_it(home, monkeypatch, capsys, stdin, erased, whose):
    engine = ledger_of(home)
    some_decisions(engine, 2)
    if whose[0] == "--contact-id":
        erased = min(erased, 1)
    stdin.seek(0)
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main(["erase", *whose, "--reason", "retention"]) == 0
    assert "would lose their customer's data" in capsys.readouterr().out
    assert chain.verify(engine).erased == erased
