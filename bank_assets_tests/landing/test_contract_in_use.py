"""A home and its contract: a change that contradicts what is registered is refused before anything is written."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import ContractError
from bank_assets.contract.uci import UCI
from bank_assets.definitions import build_defs
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.landing.register import read_manifest
from bank_assets.settings import Settings
from bank_assets.sources.database import pull
from bank_assets_tests.landing.landing_home import CONTENT, contact
from bank_assets_tests.world.contracts import WIDER
from bank_assets_tests.world.customers import delimited

NARROWER = replace(
    UCI, version=3, columns=tuple(one for one in UCI.columns if one.source != "campaign"), list_statistics=()
)
REFUSED = (
    r"BANK_CONTRACT: expected a contract that agrees with uci 1, under which .*/warehouse was filled, "
    r"found uci 3: column campaign: expected to stay, .*; name the earlier contract, .* BANK_HOME"
)


@pytest.fixture
def home(tmp_path):
    contacts = tmp_path / "landing" / "contacts"
    contacts.mkdir(parents=True)
    (contacts / "a.csv").write_bytes(CONTENT)
    return Settings(home=tmp_path, source="sqlite:///bank.db", source_query="contacts")


def register(settings: Settings, contract: Contract):
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return register_deliveries(settings.landing, settings.warehouse, contract, now=now, settle_seconds=0)


@pytest.mark.parametrize("has_record", [True, False])
def test_a_contradiction_is_refused_where_the_home_would_be_used(home, has_record):
    register(home, UCI)
    if not has_record:  # as homes of earlier releases
        (home.warehouse / "raw" / "contract.json").unlink()
    changed = replace(home, contract=NARROWER)
    (home.landing / "contacts" / "b.csv").write_text(delimited([contact(2)], NARROWER.delivery_columns))
    for use in (lambda: register(home, NARROWER), lambda: pull(changed), lambda: build_defs(settings=changed)):
        with pytest.raises(ContractError, match=REFUSED):
            use()
    assert [one.name for one in read_manifest(home.warehouse)] == ["a.csv"]
    assert [one.name for one in register(home, UCI).new] == [], "the narrower file is refused, and nothing else lost"


def test_a_wider_contract_goes_on_in_the_same_home_and_cannot_go_back(home):
    register(home, UCI)
    (home.landing / "contacts" / "b.csv").write_text(delimited([contact(2)]))
    assert [one.name for one in register(home, WIDER).new] == ["b.csv"]
    with pytest.raises(ContractError, match=r"agrees with uci 2, .* column tenure: expected to stay"):
        register(home, UCI)


def test_as_long_as_nothing_is_registered_any_contract_may_come(home):
    (home.landing / "contacts" / "a.csv").write_text("no header\n")
    assert register(home, NARROWER).refused
    (home.landing / "contacts" / "a.csv").write_bytes(CONTENT)
    assert register(home, UCI).new
