"""One session per process, with the settings that make results the same on every machine."""

import os
import subprocess
import sys
from shutil import which

import pytest

from bank_assets.settings import Settings
from bank_assets.spark.session import active_session, forward_errors, start_session

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

        from bank_assets.contract.names import MODEL_NAME

        for _ in batches:
            yield pa.RecordBatch.from_pydict({"python": [worker_sys.executable], "model": [MODEL_NAME]})

    found = spark.range(1).mapInArrow(inside, "python string, model string").collect()
    assert [tuple(row) for row in found] == [(sys.executable, "bank-marketing")]


def test_it_starts_where_the_machine_does_not_know_its_own_name(tmp_path):
    if os.getuid() != 0 or which("unshare") is None:
        pytest.skip("needs root and unshare (apt-get install util-linux), to give a process another host name")
    program = (
        "import pathlib, sys\n"
        "from bank_assets.settings import Settings\n"
        "from bank_assets.spark.session import start_session, stop_session\n"
        "home = pathlib.Path(sys.argv[1])\n"
        "session = start_session(Settings(home=home, spark_master='local[1]', spark_memory='512m'))\n"
        "print('rows', session.range(3).count())\n"
        "stop_session(session)\n"
    )
    named = 'hostname no-such-machine && exec "$@"'
    command = ["unshare", "--uts", "sh", "-c", named, "sh", sys.executable, "-c", program, str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if name != "SPARK_LOCAL_IP"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert "rows 3" in done.stdout, done.stderr[-2_000:]


def test_what_the_jvm_says_is_passed_on_without_its_remark_on_incubator_modules(capsys):
    readable, writable = os.pipe()
    os.write(writable, b"WARNING: Using incubator modules: jdk.incubator.vector\nspark ERROR x\n")
    os.close(writable)
    forward_errors(readable)
    assert capsys.readouterr().err == "spark ERROR x\n"
