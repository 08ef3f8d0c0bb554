"""A file exists whole or not at all."""

import pytest

from bank_assets.store.atomic_files import remove_leftovers, replacing, temporary_beside, write_atomic


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomic(path, b"old")

    def fail():
        with replacing(path) as stream:
            stream.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail()
    assert path.read_bytes() == b"old"
    assert [found.name for found in path.parent.iterdir()] == ["file"]


def test_nobody_sees_the_file_before_it_is_whole(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as stream:
        stream.write(b"half")
        stream.flush()
        assert not path.exists()
        stream.write(b" and half")
    assert path.read_bytes() == b"half and half"


def test_what_a_killed_writer_leaves_is_hidden_and_can_be_cleared(tmp_path):
    with temporary_beside(tmp_path / "file") as (_, temporary):
        left = tmp_path / f"{temporary.name[:-4]}0.tmp"
        left.write_bytes(b"half")
    assert left.name.startswith(".")
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
