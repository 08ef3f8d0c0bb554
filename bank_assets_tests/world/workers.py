"""Workers that need no Spark: every task of a list runs in this process, one after the other."""

from itertools import pairwise

from bank_assets.spark.intake import ByteRange
from bank_assets.spark.workers import Workers


class InThisProcess(Workers):
    """Divides a file into as many parts as asked for, though Spark is not there."""

    def __init__(self, parts=1):
        super().__init__(None)
        self.parts = parts

    def ranges(self, delivery):
        size = delivery.path.stat().st_size
        cuts = [size * part // self.parts for part in range(self.parts + 1)]
        return [ByteRange(delivery, first, last) for first, last in pairwise(cuts)]

    def run(self, work, tasks):
        return [work(one) for one in tasks]


IN_THIS_PROCESS = InThisProcess()
