"""Senders put deliveries into a bucket: each change is taken once, and nothing stays in the landing folder."""

from datetime import UTC, datetime, timedelta

import pytest

from bank_assets.landing.deliveries import register_deliveries
from bank_assets.landing.from_bucket import fetch
from bank_assets.landing.register import withdrawals
from bank_assets.store.places import BucketPath, WarehouseError, place_of
from bank_assets_tests.landing.landing_home import CONTENT, NOW, UCI, Home
from bank_assets_tests.world.bucket import new_bucket, served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bucket():
    pytest.importorskip("moto", reason="needs moto (make env)")
    with served():
        yield place_of(f"{new_bucket('bank-landing')}/in")


def look(home, bucket):
    # An hour to settle would hold back whatever was just written, but an object appears whole.
    return register_deliveries(home.landing, home.warehouse, UCI, now=NOW, settle_seconds=3_600, bucket=str(bucket))


def test_each_change_of_an_object_is_taken_once(bucket, tmp_path):
    home, may = Home(tmp_path), bucket / "contacts" / "may.csv"
    may.write_bytes(CONTENT)
    (bucket / "contacts" / "half.csv.part").write_bytes(b"")
    (bucket / "contacts" / "bad.csv").write_bytes(b"a,b\n1,2\n")
    (bucket / "elsewhere" / "may.csv").write_bytes(CONTENT)

    first = look(home, bucket)
    assert [one.key for one in first.new] == ["contacts/may.csv"]
    assert [one.name for one in first.refused] == ["bad.csv"]
    assert not list((home.landing / "contacts").iterdir()), "the bucket has them"
    second = look(home, bucket)
    assert [*second.new, *second.refused, *second.unchanged] == [], "what did not change is not fetched again"

    may.write_bytes(CONTENT.replace(b"2143", b"21430"))
    assert [one.arrival for one in look(home, bucket).new] == [2]
    (home.warehouse / "raw" / "fetched.json").unlink()
    assert not look(home, bucket).new, "what is fetched again is known"

    (bucket / "withdrawals" / "w.csv").write_bytes(b"delivery,reason\ncontacts/may.csv,wrong file\n")
    assert [one.delivery for one in look(home, bucket).withdrawn] == ["contacts/may.csv"]
    look(home, bucket)
    assert len(withdrawals(home.warehouse)) == 1


def test_an_object_that_may_change_within_its_second_is_fetched_again(bucket, tmp_path):
    (june := (bucket := bucket / "apart") / "outcomes" / "june.csv").write_bytes(CONTENT)
    written = datetime.fromtimestamp(june.stat().st_mtime_ns / 1e9, UTC)
    kinds, home = ("outcomes",), Home(tmp_path)
    later = written + timedelta(hours=1)
    fetched = []
    for now in (written, later, later):
        fetched.append(fetch(bucket, home.landing, home.warehouse, kinds, now))
        (home.landing / "outcomes" / "june.csv").unlink(missing_ok=True)
    assert [one.there for one in fetched] == [{"outcomes/june.csv"}, {"outcomes/june.csv"}, set()]


@pytest.mark.parametrize(
    "fault",
    [
        "AWS Error ACCESS_DENIED during GetObject operation",
        "AWS Error NETWORK_CONNECTION during GetObject operation: curlCode: 18, Transferred a partial file",
    ],
)
@pytest.mark.parametrize("after_bytes", [0, 10])
def test_an_object_that_cannot_be_read_is_told_once_and_the_next_one_is_taken(
    bucket, tmp_path, monkeypatch, fault, after_bytes
):
    home, bucket = Home(tmp_path), bucket / tmp_path.name
    (bucket / "contacts" / "a.csv").write_bytes(CONTENT)
    (bucket / "contacts" / "b.csv").write_bytes(CONTENT.replace(b"c-1", b"c-2"))
    whole = BucketPath.open

    def broken(path, mode="rb"):
        stream = whole(path, mode)
        if path.name == "a.csv" and mode == "rb":
            stream.read = failing(stream.read(after_bytes), fault)
        return stream

    with monkeypatch.context() as patch:
        patch.setattr(BucketPath, "open", broken)
        first, told = look(home, bucket), home.alerts()
        again = look(home, bucket)
    assert [one.key for one in first.new] == ["contacts/b.csv"]
    assert f"a.csv: expected an object that the platform may read, found {fault}" in first.refused[0].problem
    assert (again.refused, again.ignored, home.alerts()) == ([], ["contacts/a.csv"], told)
    assert len(told) == 1
    assert not list((home.landing / "contacts").iterdir())
    assert [one.key for one in look(home, bucket).new] == ["contacts/a.csv"]
    assert home.alerts() == {}


def failing(start, fault):
    """A `read` that gives what it has, if anything, and fails then."""
    parts = iter([start] if start else [])

    def read(_size):
        if (part := next(parts, None)) is None:
            raise OSError(fault)
        return part

    return read


def test_a_bucket_that_stops_to_answer_ends_the_look_and_blames_no_object(bucket, tmp_path, monkeypatch):
    home, bucket = Home(tmp_path), bucket / "gone"
    (bucket / "contacts" / "a.csv").write_bytes(CONTENT)

    def gone(*_args):
        monkeypatch.setattr(BucketPath, "is_dir", gone)
        raise OSError("AWS Error NETWORK_CONNECTION during GetObject operation: curlCode: 7")

    monkeypatch.setattr(BucketPath, "open", gone)
    with pytest.raises(WarehouseError, match="the bucket of deliveries cannot be reached"):
        look(home, bucket)
    assert home.alerts() == {}


def test_an_object_of_a_name_that_is_too_long_is_told_by_name(bucket, tmp_path):
    home, bucket = Home(tmp_path), bucket / "long"
    (bucket / "contacts" / f"{'x' * 201}.csv").write_bytes(CONTENT)
    assert "expected a name of at most 200 bytes" in look(home, bucket).refused[0].problem
    assert (look(home, bucket).refused, len(home.alerts())) == ([], 1)


def test_a_bucket_that_nobody_made_is_named(bucket, tmp_path):
    with pytest.raises(WarehouseError, match=r"s3://nobody-made-it: expected the bucket that BANK_LANDING names"):
        look(Home(tmp_path), "s3://nobody-made-it")


def test_a_bucket_that_may_not_be_read_is_not_called_the_lake(bucket, tmp_path, monkeypatch):
    def denied(*_args):
        raise OSError("AWS Error ACCESS_DENIED during ListObjectsV2 operation")

    monkeypatch.setattr("bank_assets.store.places.BucketPath.files", denied)
    expected = (
        r"the bucket of deliveries may not be read .*; give the platform's user or role the right to list and read"
    )
    with pytest.raises(WarehouseError, match=expected) as found:
        look(Home(tmp_path), bucket)
    assert "lake" not in str(found.value)
