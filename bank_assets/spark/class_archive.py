"""Builds a class-data-sharing archive: the JVM maps Spark's 30,000 classes instead of loading and verifying them.

Spark works without it too: a session that counts four months and runs one batch of scores takes 13.1 s of processor
time in the JVM without the archive, and 8.9 s with it. Building takes 40 s and 180 MB (`python -m
bank_assets.spark.class_archive`, or `make archive`).
https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bank_assets.settings import Settings, load_settings
from bank_assets.spark.java import find_java
from bank_assets.spark.session import archive_path, start_session, stop_session
from bank_assets.store.atomic_files import replacing

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

_SCHEMA: Final = "id string, day date, n bigint"


def build_archive(settings: Settings) -> Path:
    """Run typical work in a JVM that writes the archive when it exits, then move the archive into place.

    Raises:
        JavaError: there is no usable Java.
        ArchiveError: the JVM wrote no archive.
    """
    target = archive_path(find_java())
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        part = home / "classes.jsa"
        local = replace(settings, home=home, spark_master="local[2]")
        session = start_session(
            local,
            app_name="class archive",
            java_options=f"-XX:ArchiveClassesAtExit={part} -Xlog:disable -Xlog:all=error:stderr",
        )
        try:
            _typical_work(session, home)
        finally:
            stop_session(session)
        if not part.is_file():
            raise ArchiveError(
                f"{target}: expected Java to write a class archive, found none; Spark works without it, only slower "
                f"to start. Look up -XX:ArchiveClassesAtExit for your Java."
            )
        with part.open("rb") as made, replacing(target) as stream:  # no JVM may map a partial file
            shutil.copyfileobj(made, stream)
    return target


class ArchiveError(RuntimeError):
    """No class archive was made; only the start time depends on it."""


def _typical_work(session: "SparkSession", home: Path) -> None:
    """Load the classes of the ETL's tasks, of the daily counts and of batch scoring."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    session.sparkContext.parallelize(range(4), 2).map(str).collect()
    days = [date(2008, 5, number % 28 + 1) for number in range(500)]
    table = pa.table({"id": [f"c{number}" for number in range(500)], "day": days, "n": list(range(500))})
    pq.write_table(table, home / "rows.parquet")
    rows = session.read.parquet(str(home / "rows.parquet"))
    latest = f.row_number().over(Window.partitionBy("id").orderBy(f.desc("n")))
    known = rows.withColumn("place", latest).where("place = 1").select("id", "n")
    joined = rows.select("id", "day").join(known, "id", "left").mapInArrow(_same, _SCHEMA)
    counts = rows.mapInArrow(_same, _SCHEMA).unionByName(joined).groupBy("day", "n").agg(f.sum("n").alias("count"))
    months = counts.withColumn("month", f.date_format("day", "yyyy-MM")).coalesce(1)
    months.write.mode("append").partitionBy("month").parquet(str(home / "counts"))
    session.createDataFrame(table).repartition(1).mapInArrow(_same, _SCHEMA).toArrow()


def _same(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    yield from batches


if __name__ == "__main__":
    sys.stdout.write(f"{build_archive(load_settings())}\n")
