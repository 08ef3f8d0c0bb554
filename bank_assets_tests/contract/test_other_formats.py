"""What people send in place of a CSV file is called what it is, and no CSV file is called so."""

import pytest

from bank_assets.contract.other_formats import START_BYTES, other_format

CSV = "contact_id;age\nc-1;41\n"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (CSV.encode("utf-32"), "UTF-32 text"),
        (CSV.encode("utf-16"), "UTF-16 text"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b'[\n  {"contact_id": "c-1"}]', "a JSON document"),
        (b'{"contacts": []}', "a JSON document"),
        (b"\xef\xbb\xbf<!DOCTYPE html><html>", "a web page, such as a log-in or an error"),
        (b"\r\n<html lang='en'>", "a web page, such as a log-in or an error"),
        (b'<?xml version="1.0"?>', "an XML document"),
    ],
)
def test_another_format_is_named(content, found):
    assert other_format(content[:START_BYTES]).found == found


@pytest.mark.parametrize("header", ["{a};b", "[b];c", "<id>;age", "html;y", '"{";"["', "xml?;y", "\ufeffPK;y"])
def test_names_of_columns_may_hold_any_sign(header):
    assert other_format(f"{header}\n1;2\n".encode()[:START_BYTES]) is None
