"""Snapshots: one readable text file each, so that a deliberate change is reviewed as a diff.

`make snapshots` writes all of them again. A snapshot holds nothing that differs by machine, time or library version.
"""

from typing import Any

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

LINE = 100


class ReadableYaml(yaml.SafeDumper):
    """YAML with short leaves on one line and nothing wrapped: adding an entry changes one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, *args: Any, **kwargs: Any) -> yaml.SequenceNode:
        node = super().represent_sequence(*args, **kwargs)
        node.flow_style = node.flow_style and sum(len(one.value) + 2 for one in node.value) < LINE
        return node

    def represent_mapping(self, *args: Any, **kwargs: Any) -> yaml.MappingNode:
        node = super().represent_mapping(*args, **kwargs)
        node.flow_style = node.flow_style and sum(len(k.value) + len(v.value) + 4 for k, v in node.value) < LINE
        return node


class YamlSnapshot(SingleFileSnapshotExtension):
    """Data, as YAML with sorted keys."""

    _write_mode = WriteMode.TEXT
    file_extension = "yaml"

    def serialize(self, data: Any, **_: Any) -> str:
        return yaml.dump(data, Dumper=ReadableYaml, default_flow_style=None, width=10_000, allow_unicode=True)


class HtmlSnapshot(SingleFileSnapshotExtension):
    """A page, as text that the test has normalized."""

    _write_mode = WriteMode.TEXT
    file_extension = "html"


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """`assert data == snapshot(name=…)`, with a file by test and name."""
    return snapshot.use_extension(YamlSnapshot)


@pytest.fixture
def html_snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """The same for pages."""
    return snapshot.use_extension(HtmlSnapshot)
