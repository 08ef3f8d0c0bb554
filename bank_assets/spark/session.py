"""The one Spark session of a process, and every Spark setting of the platform with its reason."""

import hashlib
import importlib.metadata
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bank_assets.settings import Settings
from bank_assets.spark.java import Java, find_java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PACKAGE_ROOT: Final = Path(__file__).parents[2]
# Rows live for one batch, so the throughput collector needs a third less CPU than the default one. The optimizing
# compiler shares two cores with the work, so it starts ten times later: CPU of the ETL in a fresh JVM 14.2 s → 11.2 s
# on 45 k rows, 45 s → 41 s on 2.3 M rows. Without it (TieredStopAtLevel=1) 8.6 s and 67 s: good for one small run only.
JVM_OPTIONS: Final = (
    "-XX:+UseParallelGC -XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 "
    "-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)

LOG4J: Final = """\
# Written by bank_assets.spark.session: errors only, on stderr.
rootLogger.level = error
# Else PySpark's gateway, which counts as a shell, sets the root to WARN and says so in three lines.
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark %p %c{1}: %m%n%ex
"""

INCUBATOR: Final = "WARNING: Using incubator modules"
JVM_EXIT_SECONDS: Final = 90  # a JVM that writes a class archive takes about 16 s to end

_log = logging.getLogger(__name__)


class SparkStartError(RuntimeError):
    """Spark did not start; the message names the settings and what to check."""


def archive_path(java: Java) -> Path:
    """Path of the class archive of this environment, Java and Spark; it need not exist.

    It is not in BANK_HOME: it depends only on installed software, and a new home should start as fast as an old one.
    """
    spark = importlib.metadata.version("pyspark")
    key = hashlib.sha256(f"{java.path.resolve()} {java.version} {spark}".encode()).hexdigest()[:12]
    return Path(sys.prefix) / "var" / "bank" / f"spark-{spark}-java-{java.version}-{key}.jsa"


def spark_config(settings: Settings, *, java: Java, java_options: str = "") -> dict[str, str]:
    """Every Spark setting of the platform; a class archive for this Java is used if there is one."""
    folder = settings.home / "spark"
    local = settings.spark_master.startswith("local")
    archive = archive_path(java)
    options = [
        JVM_OPTIONS,
        f"-Dlog4j2.configurationFile={(folder / 'log4j2.properties').absolute().as_uri()}",
        java_options,
    ]
    if archive.is_file() and "Archive" not in java_options:
        # Measured, 2 cores: session 11.1 s → 7.3 s, first job 9.7 s → 6.8 s.
        options.append(f'"-XX:SharedArchiveFile={archive}" -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off')
    config = {
        "spark.master": settings.spark_master,
        "spark.driver.memory": settings.spark_memory,
        "spark.driver.extraJavaOptions": " ".join(filter(None, options)),
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Dates and overflows mean the same on every machine.
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "20000",
        "spark.sql.parquet.compression.codec": "zstd",
        # Only counts are shuffled; the default of 200 partitions costs seconds of empty tasks.
        "spark.sql.shuffle.partitions": "8",
        # Workers import bank_assets.core.model.scorer; on a cluster the package is part of the worker's image.
        "spark.executorEnv.PYTHONPATH": str(PACKAGE_ROOT),
    }
    if local:
        # Looking up the host's own name fails or waits on machines without DNS.
        config |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return config


def start_session(
    settings: Settings, *, app_name: str = "bank", java_options: str = "", more: Mapping[str, str] | None = None
) -> "SparkSession":
    """Start the session of this process, or return the running one; `more` overrides settings of `spark_config`.

    Raises:
        JavaError: there is no usable Java; the message has the command that installs it.
        SparkStartError: the JVM or the master did not answer.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    running = active_session()
    if running is not None:
        return running
    java = find_java()
    folder = settings.home / "spark"
    (folder / "local").mkdir(parents=True, exist_ok=True)
    (folder / "log4j2.properties").write_text(LOG4J, encoding="utf-8")
    # Without it, workers take the first python3 on the PATH, which has no pyarrow. On a cluster the workers' Python
    # may be elsewhere, so a given PYSPARK_PYTHON is kept there.
    if settings.spark_master.startswith("local") or "PYSPARK_PYTHON" not in os.environ:
        os.environ["PYSPARK_PYTHON"] = sys.executable
    if settings.spark_master.startswith("local"):
        # Spark's launcher looks up the machine's own name before it reads any setting, and exits if that fails, as in a
        # container without network.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    config = {**spark_config(settings, java=java, java_options=java_options), **(more or {})}
    try:
        _launch(config)
        builder = SparkSession.builder.appName(app_name)
        return builder.config(map=dict[str, Any](config)).getOrCreate()
    except (PySparkException, OSError, RuntimeError) as error:
        raise SparkStartError(
            f"Spark: expected a session on {settings.spark_master} with {settings.spark_memory} of driver memory, "
            f"found {str(error).splitlines()[0]}; check BANK_SPARK_MASTER, BANK_SPARK_MEMORY and the free memory."
        ) from error


def _launch(config: Mapping[str, str]) -> None:
    """Start the JVM with a stderr that passes through this process."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    readable, writable = os.pipe()
    threading.Thread(target=forward_errors, args=(readable,), daemon=True).start()
    try:
        gateway = launch_gateway(SparkConf().setAll(list(config.items())), {"stderr": writable})
        SparkContext._ensure_initialized(gateway=gateway)  # noqa: SLF001  # PySpark's own way to a prepared JVM
    finally:
        os.close(writable)


def forward_errors(readable: int) -> None:
    """Pass on the JVM's stderr, without the incubator warning that every JVM of Spark 4 prints."""
    with os.fdopen(readable, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.startswith(INCUBATOR):
                sys.stderr.write(line)


def active_session() -> "SparkSession | None":
    """The running session of this process, or None; never starts one."""
    if "pyspark.sql" not in sys.modules:
        return None
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    # getActiveSession only knows the calling thread; the context belongs to the process.
    if SparkContext._active_spark_context is None:  # noqa: SLF001
        return None
    return SparkSession.builder.getOrCreate()


def stop_session(session: "SparkSession") -> None:
    """Stop the session and end its JVM, so that the next start in this process gets a fresh one.

    `SparkSession.stop` alone leaves the JVM running with its heap (2 GB that training then lacks).
    """
    from pyspark import SparkContext

    gateway: Any = session.sparkContext._gateway  # noqa: SLF001  # PySpark has no public way to end its JVM
    session.stop()
    with SparkContext._lock:  # noqa: SLF001
        SparkContext._gateway = None  # noqa: SLF001
        SparkContext._jvm = None  # noqa: SLF001
    gateway.shutdown()
    process: subprocess.Popen[bytes] | None = getattr(gateway, "proc", None)
    if process is None:
        return
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=JVM_EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        _log.warning("the Spark JVM did not end in %d s and is killed", JVM_EXIT_SECONDS)
        process.kill()
        process.wait()
