"""Bundles on disk are verified, whole, and found again under the names of earlier releases."""

import pytest

from bank_assets.core.model.scorer import BUNDLE_FILES, BundleError, digest_files
from bank_assets.store.bundles import BundleCache

FILES = {name: name.encode() for name in BUNDLE_FILES}
DIGEST = digest_files(FILES)


def forbidden() -> dict[str, bytes]:
    raise AssertionError("nothing needs to be fetched")


@pytest.fixture
def cache(tmp_path) -> BundleCache:
    return BundleCache(tmp_path / "models")


@pytest.mark.parametrize("digest", [DIGEST, ""])
def test_what_was_kept_is_found_with_and_without_its_digest(cache, digest):
    assert cache.read("7", digest) is None
    cache.keep("7", FILES)
    assert cache.obtain("7", digest, forbidden) == FILES
    assert cache.read("77", digest) is None
    assert [path.name for path in cache.folder.iterdir()] == [f"7-{DIGEST[:16]}"]


@pytest.mark.parametrize("digest", [DIGEST, ""])
def test_the_folder_of_an_earlier_release_is_used(cache, digest):
    (cache.folder / "7").mkdir(parents=True)
    for name, content in FILES.items():
        (cache.folder / "7" / name).write_bytes(content)
    assert cache.obtain("7", digest, forbidden) == FILES


@pytest.mark.parametrize("digest", [DIGEST, ""])
def test_files_that_were_changed_are_refused_and_fetched_again(cache, digest, caplog):
    cache.keep("7", FILES)
    (cache.folder / f"7-{DIGEST[:16]}" / "decision.json").write_bytes(b"changed")
    with pytest.raises(BundleError, match="expected digest"):
        cache.read("7", digest)
    assert cache.obtain("7", digest, lambda: dict(FILES)) == FILES
    assert "refused" in caplog.text
    assert cache.read("7", digest) == FILES


def test_a_fetched_bundle_with_another_digest_is_not_kept(cache):
    with pytest.raises(BundleError, match="expected digest 0000"):
        cache.obtain("7", "0" * 64, lambda: dict(FILES))
    assert not cache.folder.exists()


def test_the_newest_and_the_one_in_force_stay(cache):
    for version in "123456":
        cache.keep(version, FILES)
    cache.prune(2, spare=("3", DIGEST))
    assert sorted(path.name[0] for path in cache.folder.iterdir()) == ["3", "5", "6"]
