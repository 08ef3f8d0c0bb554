"""Where the tasks of a list run: one task in this process, several in Spark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from bank_assets.landing.register import Delivery
from bank_assets.spark.intake import ONE_TASK_BYTES, ByteRange, tasks_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Task = TypeVar("Task")
Result = TypeVar("Result")


class Workers:
    """Divides work by its size: small work is one task and needs no Spark, whose start takes seconds."""

    def __init__(self, session: Callable[[], SparkSession] | None) -> None:
        self._session = session  # none for one task in this process, whatever the size

    def ranges(self, delivery: Delivery) -> list[ByteRange]:
        """The bytes of a file in parts of about equal size, in order."""
        size = delivery.path.stat().st_size
        if self._session is None:
            return [ByteRange(delivery, 0, size)]
        parallelism = 1 if size <= ONE_TASK_BYTES else self._session().sparkContext.defaultParallelism
        return [one for task in tasks_of([delivery], parallelism=parallelism) for one in task]

    def run(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """The results of all tasks, in their order."""
        if len(tasks) <= 1 or self._session is None:
            return [work(one) for one in tasks]
        return list(self._session().sparkContext.parallelize(tasks, len(tasks)).map(work).collect())


ONE_PROCESS: Final = Workers(None)
