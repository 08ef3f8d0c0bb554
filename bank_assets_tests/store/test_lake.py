"""An error of the lake says what it means, that nothing is lost, and what to do, whoever reports it."""

import errno

import pytest
from deltalake.exceptions import DeltaError

from bank_assets.store.lake import explained
from bank_assets.store.places import WarehouseError, place_of

ERRORS = {
    "full": (OSError(errno.ENOSPC, "No space left on device"), "the disk or quota is full", "free space"),
    "full bucket": (OSError("AWS Error UNKNOWN: XMinioStorageFull during PutObject"), "quota is full", "free space"),
    "read-only": (OSError(errno.EROFS, "Read-only file system"), "may not be written or read", "give the platform's"),
    "no right": (OSError("AWS Error ACCESS_DENIED during PutObject operation"), "may not be written", "the right"),
    "no right to the log": (DeltaError("Generic S3 error\n \x1b[31m↳\x1b[0m 403 Forbidden"), "may not", "the right"),
    "stale mount": (OSError(errno.ESTALE, "Stale file handle"), "cannot be reached", "see that it is there"),
    "no network": (OSError("AWS Error NETWORK_CONNECTION: curlCode: 7"), "cannot be reached", "done by the next run"),
    "another version": (DeltaError("Unsupported reader features: [x]"), "Unsupported reader features", "untouched"),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_of_the_lake_says_what_to_do(kind):
    error, meaning, to_do = ERRORS[kind]
    with pytest.raises(WarehouseError) as found, explained(place_of("s3://bank/lake"), "commit to the Delta log"):
        raise error
    text = str(found.value)
    assert text.startswith("s3://bank/lake: could not commit to the Delta log")
    assert "The previous content is untouched" in text
    assert meaning in text
    assert to_do in text
    assert "\x1b" not in text


def test_one_kind_may_pass():
    with pytest.raises(FileNotFoundError), explained(place_of("/lake"), "read", but=(FileNotFoundError,)):
        raise FileNotFoundError(2, "gone")
