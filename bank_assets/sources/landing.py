"""Writes the chosen source into the landing folder as a bank would deliver it: monthly contacts files and one campaign.

A file whose bytes would not change keeps its time stamps, and one that somebody else wrote or changed is kept. Lines of
a user's file are copied byte for byte, bad ones too, each to the month that its day or its home month names (see
`landing.delivery_file`).
"""

from __future__ import annotations

import filecmp
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

import msgspec

from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import Head, codec_of, read_head
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.uci import UCI
from bank_assets.landing.delivery_file import dated_rows, describe
from bank_assets.landing.formats import unpack
from bank_assets.landing.header import DeliveryKind, check_header, delivery_kinds
from bank_assets.landing.register import raw_root
from bank_assets.settings import Settings
from bank_assets.sources.database import pull
from bank_assets.sources.source import Source, claim_landing, landed_source
from bank_assets.sources.undated import DELIVERED, completed_head, completed_rows, is_undated, sender_of, source_head
from bank_assets.store.atomic_files import publish_if_changed, sha256_of, temporary_beside, write_atomic
from bank_assets.store.campaign_files import FOLDER
from bank_assets.store.home_json import read_derived

EXAMPLE: Final = "example.csv"  # the list that every source includes
EXAMPLE_DAYS: Final = 30  # days of data in the example campaign, which training and evaluation leave out

_EXAMPLE: Final = f"{FOLDER}/{EXAMPLE}"

Row = tuple[str, str, bytes]  # month, ISO day ("" for a stray) and bytes of a row


@dataclass(frozen=True, slots=True)
class Landed:
    """What a landing wrote."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    kept: tuple[str, ...]  # files that somebody else wrote or changed, and that were left as they are
    rows: dict[str, int]  # contacts landed per month `YYYY-MM`, ascending
    first_day: str  # earliest day landed, ISO; "" if the span held no rows
    last_day: str  # latest day landed, ISO


def _undated_rows(path: Path, kind: DeliveryKind, contract: Contract) -> tuple[Head, Iterable[Row]]:
    """A file in row order with ids (row numbers) and implied dates in front of its unchanged bytes."""
    head = completed_head(source_head(path, contract), contract)
    check_header(head, kind, path.name)
    return head, completed_rows(path, contract)


def _own_rows(path: Path, kind: DeliveryKind, contract: Contract) -> tuple[Head, Iterable[Row]]:
    """A user's file, read once to check it and then again for its rows, in bounded memory."""
    sent, head = sender_of(contract), source_head(path, contract)
    found = describe(path, kind, name=path.name, arrival=0, now=datetime.now(UTC), sent=sent)
    home = found.home_month
    blocks = dated_rows(path, head, kind, found.first_day, found.last_day, sent)
    return head, ((day[:7] or home, day, row) for rows, days in blocks for day, row in zip(days, rows, strict=True))


def _simulated_rows(settings: Settings, first: date | None, last: date | None) -> tuple[Head, Iterable[Row]]:
    """Simulated contacts up to a day, from some days before the first, whose customers the example campaign repeats."""
    # Only this source needs pandas and pyarrow.
    from bank_assets.simulator.profile import load_profile
    from bank_assets.simulator.simulator import csv_header, csv_of, scale_for_rows, simulate_chunks

    profile = load_profile()
    scale = scale_for_rows(profile, settings.simulated_rows)
    start = first - timedelta(days=EXAMPLE_DAYS) if first else None
    chunks = simulate_chunks(profile, start, last, scale=scale, seed=settings.seed)
    rows = (
        (f"{day:%Y-%m}", f"{day:%Y-%m-%d}", line)
        for chunk in chunks
        for day, line in zip(chunk["contact_date"], csv_of(chunk).splitlines(), strict=True)
    )
    return read_head([csv_header(UCI.delivery_columns)]), rows


def _pulled(settings: Settings, kind: DeliveryKind) -> Landed:
    """What is new in a database; all of it is delivered, whatever its day."""
    pulled = pull(settings)
    if pulled.path is None:
        return Landed((), (), (), {}, "", "")
    with TemporaryDirectory() as folder:
        text = unpack(pulled.path, Path(folder), SentText.of_file(kind.contract, pulled.path.name))
        found = describe(text, kind, name=pulled.path.name, arrival=0, now=datetime.now(UTC))
    return Landed((f"{kind.name}/{found.name}",), (), (), found.months, found.first_day, found.last_day)


def _deliveries(
    head: Head, rows: Iterable[Row], contract: Contract, start: str, end: str, landed: Counter[tuple[str, str]]
) -> Iterator[tuple[str, bytes, bytes]]:
    """Name (`kind/name`), header and line of what is delivered; contacts are counted in `landed` by month and day.

    Rows lie from `start` to `end`, and strays belong to a span without a start. The example campaign comes last.
    """
    codec, columns, delimiter = codec_of(head.encoding), head.columns, head.delimiter.encode()
    header = head.text.encode(codec)
    recent: dict[str, list[bytes]] = {}
    for month, day, line in rows:
        if start <= day <= end if day else not start:
            landed[month, day] += 1
            yield f"contacts/{DELIVERED.format(month=month)}", header, line
        if "" < day <= end and line.count(delimiter) == len(columns) - 1:  # broken rows are not customers to call
            recent.setdefault(day, []).append(line)
            if len(recent) > 4 * EXAMPLE_DAYS:
                recent = _recent_days(recent)
    if not any(day for _, day in landed):
        return
    positions = [place for place, column in enumerate(columns) if column in contract.campaign_columns]
    campaign_header = delimiter.join(f'"{columns[place]}"'.encode(codec) for place in positions)
    for _, lines in sorted(_recent_days(recent).items()):
        for line in lines:
            fields = line.split(delimiter)
            yield _EXAMPLE, campaign_header, delimiter.join(fields[place] for place in positions)


def _recent_days(recent: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    after = (date.fromisoformat(max(recent)) - timedelta(days=EXAMPLE_DAYS)).isoformat() if recent else ""
    return {day: lines for day, lines in recent.items() if day > after}


def land_source(source: Source, settings: Settings, *, first: date | None = None, last: date | None = None) -> Landed:
    """Write the deliveries of a source from `first` to `last`, both included; all files appear together at the end.

    Raises:
        SourceError: the home holds contacts of another source.
        DeliveryRefused: a user's file has no usable header or no usable date.
        OSError: the disk is full; free space and run again, no half file is left.
    """
    before, is_upgraded = _landed_digests(settings), landed_source(settings.landing) is not None
    claim_landing(source, settings.landing)
    kind = delivery_kinds(settings.contract)["contacts"]
    if source.kind == "database":
        return _pulled(settings, kind)
    start, end = first.isoformat() if first else "", (last or date.max).isoformat()
    if source.path is None:
        head, rows = _simulated_rows(settings, first, last)
    else:
        read = _undated_rows if is_undated(source.path, settings.contract) else _own_rows
        head, rows = read(source.path, kind, settings.contract)
    landed: Counter[tuple[str, str]] = Counter()
    files: dict[str, tuple[BinaryIO, Path]] = {}  # temporary until all of them are complete
    with ExitStack() as stack:
        for key, header, line in _deliveries(head, rows, settings.contract, start, end, landed):
            if key not in files:
                files[key] = stack.enter_context(temporary_beside(settings.landing / key))
                files[key][0].write(header + b"\n")
            files[key][0].write(line + b"\n")
        # An earlier release kept no record, so all files of its homes count as ours.
        checked = files if before or not is_upgraded else ()
        foreign = [key for key in checked if _is_foreign(*files[key], settings.landing / key, before.get(key))]
        ours = sorted(files.keys() - foreign)
        is_new = {key: publish_if_changed(*files[key], settings.landing / key) for key in ours}
    digests = before | {key: sha256_of(settings.landing / key) for key in ours}
    write_atomic(_digests_path(settings), json.dumps(digests, indent=1, sort_keys=True).encode())
    months: Counter[str] = Counter()
    for (month, _), count in landed.items():
        months[month] += count
    days = [day for _, day in landed if day]
    if _EXAMPLE in files:
        claim_landing(replace(source, open_from=min(_recent_days({day: [] for day in days}))), settings.landing)
    written, unchanged = (tuple(key for key in is_new if is_new[key] is wanted) for wanted in (True, False))
    first_day, last_day = min(days, default=""), max(days, default="")
    return Landed(written, unchanged, tuple(sorted(foreign)), dict(sorted(months.items())), first_day, last_day)


def _is_foreign(stream: BinaryIO, temporary: Path, path: Path, our_digest: str | None) -> bool:
    """Whether there is a file of that name with other bytes than we wrote and would write."""
    stream.flush()
    if not path.is_file() or filecmp.cmp(temporary, path, shallow=False):
        return False
    return sha256_of(path) != our_digest


def _landed_digests(settings: Settings) -> dict[str, str]:
    """The sha256 of each file (`kind/name`) as a landing last wrote it."""
    return read_derived(_digests_path(settings), lambda found: msgspec.convert(found, dict[str, str])) or {}


def _digests_path(settings: Settings) -> Path:
    return raw_root(settings.warehouse) / "landed.json"
