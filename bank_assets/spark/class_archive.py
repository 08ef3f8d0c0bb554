"""Builds a class-data-sharing archive: the JVM maps Spark's 30,000 classes instead of loading and verifying them.

Spark starts without it too, with 9.5 instead of 5.6 s of processor time. Building takes 40 s and 180 MB (`python -m
bank_assets.spark.class_archive`, or `make archive`).
https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bank_assets.settings import Settings, load_settings
from bank_assets.spark.java import find_java
from bank_assets.spark.session import archive_path, start_session, stop_session
from bank_assets.store.atomic_files import replacing

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession


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
    """Load the classes that the pipeline uses: CSV, casts, windows, aggregates, cache, Parquet, Arrow workers."""
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    text = home / "sample.csv"
    text.write_text(
        "id;day;n\n" + "\n".join(f"c{i};2008-05-{i % 28 + 1:02d};{i}" for i in range(500)), encoding="utf-8"
    )
    raw = session.read.csv(str(text), sep=";", header=True, schema="id STRING, day STRING, n STRING", mode="PERMISSIVE")
    typed = raw.select(
        "id", f.try_to_timestamp("day").cast("date").alias("day"), f.expr("try_cast(n AS INT)").alias("n")
    )
    last = f.row_number().over(Window.partitionBy("id").orderBy(f.desc("n")))
    rows = typed.withColumn("rank", last).where("rank = 1").withColumn("month", f.date_format("day", "yyyy-MM"))
    rows = rows.withColumn("why", f.array_compact(f.array(f.when(f.col("n") > 3, "big"), f.lit(None)))).cache()
    rows.groupBy("month").agg(f.count("*"), f.countDistinct("id"), f.sum("n"), f.stddev("n")).collect()
    rows.write.partitionBy("month").parquet(str(home / "table"))
    session.read.parquet(str(home / "table")).select("id", "n").join(rows.select("id", "rank"), "id").mapInArrow(
        _same, "id string"
    ).count()
    rows.unpersist()


def _same(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    for batch in batches:
        yield batch.select(["id"])


if __name__ == "__main__":
    sys.stdout.write(f"{build_archive(load_settings())}\n")
