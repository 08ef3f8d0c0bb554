"""One session per process, with the settings that make results the same on every machine."""

import sys

import pytest

from bank_assets.settings import Settings
from bank_assets.spark.session import SHUFFLE_BYTES, active_session, size_shuffles, start_session

pytestmark = pytest.mark.spark


def test_a_second_start_returns_the_running_session(spark, tmp_path):
    again = start_session(Settings(home=tmp_path, spark_master="local[1]"))
    assert again.sparkContext is spark.sparkContext
    assert active_session().sparkContext is spark.sparkContext
    assert not (tmp_path / "spark").exists(), "the second home is not touched"


def test_settings_are_those_of_the_platform(spark):
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.ansi.enabled") == "true"
    assert spark.sparkContext.uiWebUrl is None
    assert spark.sparkContext.getConf().get("spark.driver.memory") == "1g"


def test_workers_run_this_python_and_find_the_package(spark):
    def inside(batches):
        import sys as worker_sys

        import pyarrow as pa

        from bank_assets.contract import MODEL_NAME

        for _ in batches:
            yield pa.RecordBatch.from_pydict({"python": [worker_sys.executable], "model": [MODEL_NAME]})

    found = spark.range(1).mapInArrow(inside, "python string, model string").collect()
    assert [tuple(row) for row in found] == [(sys.executable, "bank-marketing")]


@pytest.mark.parametrize(("input_bytes", "expected"), [(1, 2), (3 * SHUFFLE_BYTES, 3), (200 * SHUFFLE_BYTES + 1, 201)])
def test_shuffle_partitions_follow_the_input(spark, input_bytes, expected):
    before = spark.conf.get("spark.sql.shuffle.partitions")
    try:
        assert size_shuffles(spark, input_bytes) == expected
        assert spark.conf.get("spark.sql.shuffle.partitions") == str(expected)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", before)
