"""A small memory for what is expensive to make: loaded models, explainers, scored lists."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Slot(Generic[T]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: list[T] = field(default_factory=list)


class Remembered(Generic[T]):
    """The values used last, by key; threads wait while one of them makes the same value, so none is made twice."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._slots: OrderedDict[Hashable, _Slot[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, made now if it is not remembered."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > self._size:
                self._slots.popitem(last=False)
        with slot.lock:
            if not slot.made:
                slot.made.append(make())
            return slot.made[0]
