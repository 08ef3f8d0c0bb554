"""Lists of identifiers, as pasted and uploaded."""

import pytest

from bank_assets.contract.id_lists import MOST_IDS, LineFault, read_ids, text_of


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", []),
        ('\ufeffcontact_id\nc1\n\n "c2"\nc1\n', ["c1", "c2"]),
        ("Customer ID\r\nk1\rk2\r\n", ["k1", "k2"]),
        ("\n\nid\n1\n", ["1"]),
        ("K-7\nk-7\n k-7 \nK\u200b-7\n\u2060k-8\u00a0", ["K-7", "k-8"]),
        ("c1;\n;c2\n\t c3 \t", ["c1", "c2", "c3"]),
        ("00000001\n1", ["00000001", "1"]),
        ("K 7 of June", ["K 7 of June"]),
    ],
)
def test_identifiers_of_a_text(text, ids):
    assert read_ids(text) == (ids, [])


@pytest.mark.parametrize(
    ("line", "found"),
    [("c1;yes", '"c1;yes"'), ("c1,2020-01-01", '"c1,2020'), ("c1\tx", "c1"), ("a|b", '"a|b"'), ("x" * 65, '"xxx'),
     ("c\x00d", "c\\x00d"), ("c\ufffdd", "c\ufffdd")],
)  # fmt: skip
def test_a_line_that_is_no_identifier_is_named_and_the_others_are_read(line, found):
    ids, (fault,) = read_ids(f"contact_id\nc0\n{line}\nc9")
    assert ids == ["c0", "c9"]
    assert fault.line == 3
    assert found in fault.found


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00", "Excel"),
        (b"PK\x03\x04\xff\xfe\xff", "Excel"),
        (b"%PDF-1.7\n1 0 obj", "PDF"),
        (b"\x1f\x8b\x08\x00\xff\xff", "packed"),
        (b"M\xfcller", "byte 1"),
    ],
)
def test_another_file_is_refused_by_name(content, found):
    text = text_of(content)
    ids, (fault,) = ([], [text]) if isinstance(text, LineFault) else read_ids(text)
    assert (ids, fault.line) == ([], 0)
    assert found in fault.found


def test_text_in_utf_16_is_read_and_too_many_identifiers_are_refused(monkeypatch):
    assert read_ids(text_of("k-1\nk-2".encode("utf-16"))) == (["k-1", "k-2"], [])
    monkeypatch.setattr("bank_assets.contract.id_lists.MOST_IDS", 2)
    assert read_ids("1\n2")[0] == ["1", "2"]
    (fault,) = read_ids("1\n2\n3")[1]
    assert (fault.line, fault.expected) == (3, "at most 2 identifiers")
    assert "send the list in parts" in fault.found


def test_ten_megabytes_are_read_by_the_line():
    """Lines as a spreadsheet pads them, and more identifiers than one list may hold."""
    padded = "\ufeffCustomer_ID\r\n" + f'"k-1"{" " * 96}\r\n\r\nK-1{" " * 100}\n' * 50_000
    assert len(padded) > 10_000_000
    assert read_ids(text_of(padded.encode())) == (["k-1"], [])
    ids, (fault,) = read_ids("\n".join(f"{n:049}" for n in range(MOST_IDS + 1)))
    assert (ids, fault.line) == ([], MOST_IDS + 1)
