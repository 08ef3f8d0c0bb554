"""Decisions, outcomes, promotions, states, accounts and campaigns, on both databases."""

import datetime as dt
import subprocess
import sys
import uuid

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import DBAPIError

from bank_assets.ledger import accounts, campaigns, decisions, outcomes, promotions, states
from bank_assets.ledger.engine import LedgerError, only_app_process, open_ledger, upgrade
from bank_assets.ledger.ids import new_id
from bank_assets.ledger.models import metadata


def test_ids_are_uuids_of_version_7_that_sort_by_time():
    ids = [new_id() for _ in range(1_000)]
    assert {uuid.UUID(i).version for i in ids} == {7}
    assert {uuid.UUID(i).variant for i in ids} == {uuid.RFC_4122}
    assert len(set(ids)) == 1_000
    assert [i[:8] for i in ids] == sorted(i[:8] for i in ids)


def test_migrations_build_the_tables_that_the_models_describe(ledger):
    with ledger.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    assert difference == []


def test_upgrading_twice_changes_nothing(ledger, draft):
    decisions.append(ledger, [draft()])
    upgrade(ledger)
    assert len(decisions.search(ledger).decisions) == 1


def test_a_record_reads_back_to_the_last_bit(ledger, draft):
    made = draft(contact_id="c-9", flags='[{"field":"balance"}]', stale_features=True)
    decisions.append(ledger, [made])
    read = decisions.get(ledger, made.id)
    assert (read.probability, read.expected_profit_eur) == (made.probability, made.expected_profit_eur)
    assert read.payload == {"age": 41, "job": "management"}
    assert read.flags == [{"field": "balance"}]
    assert read.stale_features is True
    assert decisions.get(ledger, new_id()) is None


def test_search_filters_and_pages(ledger, draft):
    decisions.append(ledger, [draft(contact_id=f"c-{i % 3}", actor="a" if i % 2 else "b") for i in range(10)])
    page = decisions.search(ledger, limit=4)
    assert [d.seq for d in page.decisions] == [10, 9, 8, 7]
    page = decisions.search(ledger, limit=4, before=page.next_cursor)
    assert [d.seq for d in page.decisions] == [6, 5, 4, 3]
    last = decisions.search(ledger, limit=4, before=page.next_cursor)
    assert ([d.seq for d in last.decisions], last.next_cursor) == ([2, 1], None)
    assert [d.seq for d in decisions.search(ledger, contact_id="c-0", actor="a").decisions] == [10, 4]
    middle = decisions.search(ledger).decisions[4].decided_at
    later = decisions.search(ledger, since=middle).decisions
    earlier = decisions.search(ledger, until=middle).decisions
    assert [d.seq for d in later] == list(range(10, 10 - len(later), -1))
    assert len(later) + len(earlier) == 10
    assert min(d.decided_at for d in later) == middle
    for bound in ("2999-01-01", "1960-01-01", "9999-12-31T23:59:59+00:00"):
        found = len(decisions.search(ledger, since=bound).decisions) + len(
            decisions.search(ledger, until=bound).decisions
        )
        assert found == 10
    assert decisions.search(ledger, since="2999-01-01").decisions == []
    assert len(decisions.search(ledger, until="2999-01-01", decision="call", model_version="3").decisions) == 10


def test_retention_erases_only_what_is_old(ledger, draft):
    decisions.append(ledger, [draft(decided_at="2020-01-01T00:00:00.000000Z"), draft()])
    boundary = draft(decided_at="2021-01-01T00:00:00.000000Z")
    decisions.append(ledger, [boundary])
    new_year = dt.date(2021, 1, 1)
    assert decisions.count_to_erase(ledger, decided_before=new_year) == 1
    assert decisions.erase(ledger, decided_before=new_year, actor="retention", reason="7 years") == 1
    erased = [one.erased_why for one in reversed(decisions.search(ledger).decisions)]
    assert erased == ["7 years", None, None], "not the one of the day itself"
    assert decisions.get(ledger, boundary.id).payload == {"age": 41, "job": "management"}
    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    with pytest.raises(ValueError, match="all of them would be erased"):
        decisions.erase(ledger, decided_before=tomorrow, actor="retention", reason="7 years")
    with pytest.raises(ValueError, match="say whose data"):
        decisions.erase(ledger, actor="a", reason="b")


def test_an_outcome_is_idempotent_and_corrections_are_kept(ledger, draft):
    made = draft(contact_id="c-1")
    decisions.append(ledger, [made])
    first = outcomes.record(ledger, y="no", actor="k", decision_id=made.id)
    again = outcomes.record(ledger, y="no", actor="k", decision_id=made.id)
    corrected = outcomes.record(ledger, y="yes", actor="k", decision_id=made.id, duration=300)
    back = outcomes.record(ledger, y="no", actor="k", decision_id=made.id)
    assert (first.is_new, again.is_new, corrected.is_new, back.is_new) == (True, False, True, True)
    assert (first.corrects, corrected.corrects) == (False, True)
    assert again.outcome == first.outcome
    assert [o.y for o in outcomes.of_decision(ledger, made.id)] == ["no", "yes", "no"]


def test_an_outcome_reported_by_contact_shows_on_the_decision_about_it(ledger, draft):
    made, other = draft(contact_id="c-1"), draft(contact_id="c-1")
    decisions.append(ledger, [made, other])
    outcomes.record(ledger, y="yes", actor="k", contact_id="c-1", arrived_at="2010-12-21")
    outcomes.record(ledger, y="no", actor="k", decision_id=other.id, arrived_at="2011-01-14")
    outcomes.record(ledger, y="no", actor="k", contact_id="c-2")
    assert [o.y for o in outcomes.of_decision(ledger, made.id, "c-1")] == ["yes"]
    assert [o.y for o in outcomes.of_decision(ledger, other.id, "c-1")] == ["yes", "no"]


def test_a_stated_arrival_time_identifies_a_report(ledger):
    kwargs = {"actor": "k", "contact_id": "c-7", "arrived_at": "2010-11-20"}
    assert outcomes.record(ledger, y="yes", **kwargs).is_new
    assert not outcomes.record(ledger, y="yes", **kwargs).is_new
    assert outcomes.record(ledger, y="yes", **(kwargs | {"arrived_at": "2010-11-21"})).is_new


def test_outcomes_are_exported_in_the_order_of_their_reports(ledger, draft):
    made = draft(contact_id="c-1")
    decisions.append(ledger, [made])
    outcomes.record(ledger, y="yes", actor="k", decision_id=made.id)
    outcomes.record(ledger, y="no", actor="k", contact_id="elsewhere")
    exported = [(row.contact_id, row.decision_id, row.y) for row in outcomes.export(ledger)]
    assert exported == [("c-1", made.id, "yes"), ("elsewhere", None, "no")]


def test_bad_outcomes_are_refused(ledger):
    with pytest.raises(outcomes.UnknownDecisionError, match="check the id"):
        outcomes.record(ledger, y="yes", actor="k", decision_id=new_id())
    with pytest.raises(ValueError, match="exactly one"):
        outcomes.record(ledger, y="yes", actor="k")


def promote(ledger, to, kind="refit", as_of=None, decision="promoted", from_version=None):
    return promotions.record(
        ledger,
        kind=kind,
        decision=decision,
        from_version=from_version,
        to_version=to,
        reasons=["because"],
        evidence={"auc": 0.7},
        actor="pipeline",
        as_of=as_of,
    )


def test_promotions_are_kept_newest_first(ledger):
    promote(ledger, "1", "first", "2009-01-01")
    promote(ledger, "2", as_of="2009-02-01")
    promote(ledger, "3", as_of="2009-03-01", decision="refused")
    promote(ledger, "1", "rollback")
    promote(ledger, "4", as_of="2009-05-01")
    assert promotions.history(ledger, promoted_only=True)[0].to_version == "4"
    assert promotions.history(ledger)[2].reasons == ["because"]
    assert len(promotions.history(ledger, promoted_only=True)) == 4
    with pytest.raises(ValueError, match="expected a kind"):
        promote(ledger, "1", "wish")


def test_the_latest_published_state_counts_and_repeats_are_no_news(ledger):
    assert states.latest(ledger) is None
    first = states.publish(ledger, "2010-11-17", {"rates": {"7d": 0.1 + 0.2}})
    assert states.publish(ledger, "2010-11-17", {"rates": {"7d": 0.1 + 0.2}}).created_at == first.created_at
    newer = states.publish(ledger, "2010-11-18", {"rates": {"7d": 0.4}})
    assert states.latest(ledger) == newer
    assert states.latest(ledger, before="2010-11-18").as_of == first.as_of
    assert states.latest(ledger, before="2010-11-17") is None
    assert newer.digest != first.digest
    with pytest.raises(ValueError, match="JSON"):
        states.publish(ledger, "2010-11-19", {"rate": float("nan")})


def test_users_log_in_and_out(ledger):
    assert not accounts.has_credentials(ledger)
    accounts.create_user(ledger, "ana", "correct horse battery", "analyst")
    assert accounts.has_credentials(ledger)
    assert accounts.log_in(ledger, "ana", "wrong horse battery", hours=1) is None
    assert accounts.log_in(ledger, "nobody", "correct horse battery", hours=1) is None
    token = accounts.log_in(ledger, "ana", "correct horse battery", hours=1)
    identity = accounts.session_identity(ledger, token)
    assert (identity.name, identity.role, identity.scopes) == ("ana", "analyst", {"predict", "outcomes"})
    accounts.log_out(ledger, token)
    assert accounts.session_identity(ledger, token) is None
    expired = accounts.log_in(ledger, "ana", "correct horse battery", hours=-1)
    assert accounts.session_identity(ledger, expired) is None


def test_a_new_password_and_disabling_end_sessions(ledger):
    accounts.create_user(ledger, "ana", "correct horse battery", "analyst")
    token = accounts.log_in(ledger, "ana", "correct horse battery", hours=1)
    accounts.create_user(ledger, "ana", "another horse battery", "admin")
    assert accounts.session_identity(ledger, token) is None
    token = accounts.log_in(ledger, "ana", "another horse battery", hours=1)
    assert accounts.session_identity(ledger, token).role == "admin"
    accounts.create_user(ledger, "ana", "another horse battery")
    token = accounts.log_in(ledger, "ana", "another horse battery", hours=1)
    assert accounts.session_identity(ledger, token).role == "admin"
    accounts.disable_user(ledger, "ana")
    assert accounts.session_identity(ledger, token) is None
    assert accounts.log_in(ledger, "ana", "another horse battery", hours=1) is None
    assert not accounts.has_credentials(ledger)


def test_keys_carry_scopes_and_are_not_stored(ledger, ledger_url):
    key = accounts.create_key(ledger, "crm", ["predict"], rate_per_minute=60)
    assert accounts.key_identity(ledger, key) == accounts.Identity("crm", frozenset({"predict"}), None, 60)
    with ledger.connect() as connection:
        stored = str(connection.exec_driver_sql("SELECT * FROM api_keys").all())
    assert key not in stored
    assert accounts.revoke_key(ledger, "crm")
    assert not accounts.revoke_key(ledger, "crm")
    assert accounts.key_identity(ledger, key) is None
    for name, scopes in (("crm", ["predict"]), ("x", ["everything"]), ("x", []), (" Pipeline", ["predict"])):
        with pytest.raises(accounts.AccountError):
            accounts.create_key(ledger, name, scopes)
    with pytest.raises(accounts.AccountError, match="the platform itself acts"):
        accounts.create_user(ledger, "pipeline", "correct horse battery")
    with pytest.raises(accounts.AccountError, match="12 characters"):
        accounts.create_user(ledger, "ana", "short", "analyst")


def test_suppressions_and_lists(ledger):
    assert campaigns.suppress(ledger, ["a", "b", "a"], reason="objection", actor="ana") == 2
    assert campaigns.suppress(ledger, ["a", "c"], reason="objection", actor="ana") == 1
    assert campaigns.unsuppress(ledger, "b", reason="by mistake", actor="bo")
    assert campaigns.suppressed(ledger) == {"a", "c"}
    made = campaigns.CampaignList(
        actor="ana",
        name="may",
        model_version="3",
        model_digest="d",
        economics={"cost_eur": 5.0},
        request={"capacity": 10},
        summary={"profit": 1.5},
        content_digest="e" * 64,
    )
    kept = campaigns.keep_list(ledger, made)
    assert campaigns.get_list(ledger, kept.id) == kept
    assert campaigns.lists(ledger) == [kept]


def test_a_second_app_process_on_sqlite_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    engine = open_ledger(url)
    program = (
        "from bank_assets.ledger.engine import only_app_process, open_ledger;"
        f"only_app_process(open_ledger({url!r})).__enter__()"
    )
    with only_app_process(engine):
        second = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "expected to be the only app process" in second.stderr
    assert "PostgreSQL" in second.stderr
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    engine.dispose()


def test_other_processes_may_append_while_the_app_holds_its_lock(tmp_path, draft):
    engine = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with only_app_process(engine):
        promote(engine, "1", "first")
        decisions.append(engine, [draft()])
    engine.dispose()


def test_unusable_urls_are_refused():
    for url in ("mysql://host/db", "sqlite://"):
        with pytest.raises(LedgerError, match="expected a"):
            open_ledger(url)


def test_sqlite_commits_are_durable_and_readers_do_not_wait(tmp_path):
    engine = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    engine.dispose()


def test_a_duplicate_sequence_number_is_refused(ledger, draft):
    decisions.append(ledger, [draft()])
    with ledger.connect() as connection:
        row = dict(connection.exec_driver_sql("SELECT * FROM decisions").mappings().one())
    row["id"] = new_id()
    from bank_assets.ledger.engine import writing
    from bank_assets.ledger.models import decisions as table

    with pytest.raises(DBAPIError), writing(ledger) as connection:
        connection.execute(table.insert().values(**row))
