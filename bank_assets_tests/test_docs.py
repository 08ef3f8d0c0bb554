"""Documents lead somewhere, and each decision record has a number of its own."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def dead_links(document: Path, text: str) -> list[str]:
    addresses = [one.split("#")[0] for one in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in one]
    return [f"{document.name}: {one}" for one in addresses if one and not (document.parent / one).exists()]


def test_every_link_leads_to_a_file():
    assert [link for document in DOCUMENTS for link in dead_links(document, document.read_text())] == []
    assert dead_links(ROOT / "README.md", "[a](docs/nowhere.md#b)") == ["README.md: docs/nowhere.md"]


def test_decision_records_are_numbered_in_turn():
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    numbers = [path.name[:4] for path in records]
    assert numbers == [f"{number:04}" for number in range(1, len(records) + 1)]
    assert [path.read_text()[2:6] for path in records] == numbers
