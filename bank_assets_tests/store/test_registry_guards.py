"""The registry without MLflow: errors, and an alias move that keeps the version before."""

from types import SimpleNamespace

import pytest

from bank_assets.core.model.scorer import BUNDLE_FILES, digest_files
from bank_assets.store.registry import Registry, RegistryUnavailableError, UnknownVersionError

FILES = {name: name.encode() for name in BUNDLE_FILES}


class Client:
    """The four calls of MLflow's client that are used, in memory."""

    def __init__(self, versions="12"):
        self.versions, self.aliases, self.moves = versions, {}, []

    def get_model_version(self, name, version):
        if version not in self.versions:
            raise _no_such()
        return SimpleNamespace(version=version, tags={"bank/digest": digest_files(FILES)}, run_id="run")

    def get_model_version_by_alias(self, name, alias):
        if alias not in self.aliases:
            raise _no_such()
        return self.get_model_version(name, self.aliases[alias])

    def set_registered_model_alias(self, name, alias, version):
        self.moves.append((alias, version))
        self.aliases[alias] = version


def _no_such() -> Exception:
    error = RuntimeError("no such thing")
    error.error_code = "RESOURCE_DOES_NOT_EXIST"
    return error


@pytest.fixture
def registry(tmp_path) -> Registry:
    made = Registry("http://127.0.0.1:9", "", tmp_path)
    made.client = Client()
    return made


def test_a_database_that_does_not_exist_is_not_created_by_asking(tmp_path):
    registry = Registry(f"sqlite:///{tmp_path / 'none.db'}", "", tmp_path / "models")
    for ask in (registry.champion, lambda: registry.get("1"), lambda: registry.bundle("1")):
        with pytest.raises(RegistryUnavailableError, match="make run"):
            ask()
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_on_disk_is_the_registered_one(registry, monkeypatch):
    """A registry that was made anew, or restored, counts its versions from 1 again."""
    registry.bundles.keep("1", {**FILES, "decision.json": b"of another registry"})
    monkeypatch.setattr(registry, "fetch", lambda _: dict(FILES))
    assert registry.bundle("1") == FILES


def test_a_move_keeps_the_version_before_and_is_safe_to_repeat(registry):
    assert registry.champion() is None
    assert registry.move_champion("1") is None
    assert registry.move_champion("2") == "1"
    assert registry.client.aliases == {"champion": "2", "previous_champion": "1"}
    moves = len(registry.client.moves)
    assert registry.move_champion("2") == "2"
    assert len(registry.client.moves) == moves, "a champion is never its own predecessor"


def test_a_caller_that_died_between_the_moves_finishes_them(registry):
    registry.move_champion("1")
    registry.set_alias("previous_champion", "1")  # died here
    assert registry.move_champion("2") == "1"
    assert registry.client.aliases == {"champion": "2", "previous_champion": "1"}


def test_an_alias_that_does_not_read_back_is_an_error(registry, monkeypatch):
    monkeypatch.setattr(registry.client, "set_registered_model_alias", lambda *_: None)
    with pytest.raises(RegistryUnavailableError, match="alias champion: expected version 1 after the move, found none"):
        registry.move_champion("1")


def test_an_unknown_version_moves_nothing(registry):
    with pytest.raises(UnknownVersionError, match="found 99"):
        registry.move_champion("99")
    assert registry.client.moves == []


def test_what_a_store_lets_through_is_one_error_without_its_words(registry, monkeypatch):
    def broken(*_):
        raise OSError("postgresql://user:secret@host")

    monkeypatch.setattr(registry.client, "get_model_version_by_alias", broken)
    with pytest.raises(RegistryUnavailableError, match="found OSError") as caught:
        registry.champion()
    assert "secret" not in str(caught.value)
