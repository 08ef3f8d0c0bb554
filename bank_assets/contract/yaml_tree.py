"""YAML as a tree of text with line numbers, without the guesses that YAML makes about types.

In YAML, `no` is a boolean, `2008-05-05` a date, `22:30` the number 1350, and a key that is given twice silently wins.
Here every scalar is text, which its reader interprets; keys given twice, aliases and tags are refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from bank_assets.contract.errors import ContractError

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, 20 times as fast
_DEEPEST: Final = 20
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?)?")


class FileError(ContractError):
    """A fault of a file at a line, counted from 1."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line


@dataclass(frozen=True, slots=True)
class Node:
    """Text, a list or a mapping of a document, and the line on which it begins."""

    value: str | list[Node] | dict[str, Node]
    line: int

    def text(self) -> str:
        """The text of a scalar."""
        if not isinstance(self.value, str):
            raise FileError(self.line, "expected text, found a list or mapping; write one value.")
        return self.value

    def number(self) -> float:
        """A number with digits alone, or with a point between digits."""
        text = self.text()
        if not _NUMBER.fullmatch(text):
            raise FileError(self.line, f"expected a number, found {text!r}; correct it.")
        return float(text) if "." in text else int(text)

    def whole(self) -> int:
        """A whole number."""
        if not isinstance(number := self.number(), int):
            raise FileError(self.line, f"expected a whole number, found {number}; correct it.")
        return number

    def flag(self) -> bool:
        """Whether the text is true; it may be false alone."""
        return one_of(("true", "false"))(self) == "true"

    def items(self) -> list[Node]:
        """The entries of a list."""
        if not isinstance(self.value, list):
            raise FileError(self.line, "expected a list, found something else; write one as [a, b].")
        return self.value

    def texts(self) -> list[str]:
        """The entries of a list of texts."""
        return [item.text() for item in self.items()]

    def entries(self) -> dict[str, Node]:
        """The entries of a mapping."""
        if not isinstance(self.value, dict):
            raise FileError(self.line, "expected a mapping, found something else; write one as {key: value}.")
        return self.value

    def pairs(self) -> list[list[str]]:
        """Keys and values of a mapping of texts."""
        return [[key, value.text()] for key, value in self.entries().items()]


Reader = Callable[[Node], Any]


def one_of(allowed: Collection[str]) -> Reader:
    """A reader of one of some texts."""

    def read(node: Node) -> str:
        if (text := node.text()) not in allowed:
            raise FileError(node.line, f"expected {' or '.join(allowed)}, found {text!r}; correct it.")
        return text

    return read


def values_of(
    entries: Mapping[str, Node],
    line: int,
    known: Mapping[str, tuple[str, Reader]],
    others: Sequence[str] = (),
    required: Sequence[str] = (),
    where: str = "",
) -> dict[str, Any]:
    """The values of a mapping by attribute, as their readers see them; a key that is not known is refused."""
    for key, value in entries.items():
        if key not in known and key not in others:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known here are {', '.join(known)}."
            raise FileError(value.line, f"{where}expected a key that this release knows, found {key}; {hint}")
    if missing := [key for key in required if key not in entries]:
        raise FileError(line, f"{where}expected {', '.join(required)}, found no {', '.join(missing)}; add it.")
    found = {}
    for key in entries.keys() & known.keys():
        attribute, read = known[key]
        try:
            found[attribute] = read(entries[key])
        except FileError as fault:
            raise FileError(fault.line, f"{where}{key}: {fault}") from None
    return found


def file_text(path: str) -> str:
    """The content of a file that a setting names."""
    try:
        return Path(path).expanduser().read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else "other bytes than UTF-8"
        raise ContractError(f"expected a readable file, found {found} at {path}; correct the path.") from error


def parse_yaml(text: str) -> Node:
    """The only document of a text.

    Raises:
        FileError: the text is no YAML, or uses a feature that is refused here.
    """
    events = yaml.parse(text, Loader=_LOADER)
    try:
        next(events)
        if isinstance(next(events), yaml.StreamEndEvent):
            raise FileError(1, "expected a document, found an empty file; name another one.")
        root = _node(next(events), events, 0)
        next(events)
        if not isinstance(end := next(events), yaml.StreamEndEvent):
            raise FileError(_line(end), "expected one document, found a second one; remove it and the line `---`.")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", error)
        raise FileError(mark.line + 1 if mark else 1, f"expected YAML, found: {problem}; mend this line.") from error
    return root


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _node(event: Any, events: Iterator[Any], depth: int) -> Node:
    line = _line(event)
    if isinstance(event, yaml.AliasEvent) or event.anchor:
        raise FileError(
            line, f"expected values written out, found the anchor or alias {event.anchor}; repeat the value."
        )
    if event.tag:
        raise FileError(line, f"expected values without a tag, found {event.tag}; remove it.")
    if depth > _DEEPEST:
        raise FileError(line, f"expected at most {_DEEPEST} levels, found more; nothing here is nested so deeply.")
    if isinstance(event, yaml.ScalarEvent):
        return Node(event.value, line)
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            items.append(_node(item, events, depth + 1))
        return Node(items, line)
    found: dict[str, Node] = {}
    while not isinstance(key := next(events), yaml.MappingEndEvent):
        if not isinstance(key, yaml.ScalarEvent):
            raise FileError(_line(key), "expected text as a key, found a list or mapping; mend this line.")
        if key.value in found:
            raise FileError(
                _line(key),
                f"expected the key {key.value} once, found it in line {found[key.value].line} too; remove one of them.",
            )
        found[key.value] = _node(next(events), events, depth + 1)
    return Node(found, line)
