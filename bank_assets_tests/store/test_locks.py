"""Locks exclude, are released, and are free again after their holder was killed."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from bank_assets.store.locks import lock, locked, locked_if_free, try_lock

HOLDER = """
import sys, time
from pathlib import Path
from bank_assets.store.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_held_lock_is_not_free_and_is_given_back(tmp_path):
    path = tmp_path / "home" / ".lock"
    with locked(path), locked_if_free(path) as is_mine:
        assert not is_mine
    with locked_if_free(path) as is_mine:
        assert is_mine
    assert path.is_file(), "the file stays: another process may have it open"


def test_what_a_file_holds_survives_its_lock(tmp_path):
    path = tmp_path / "data"
    path.write_text("kept")
    with locked(path):
        pass
    assert path.read_text() == "kept"


def test_one_at_a_time(tmp_path):
    seen = []

    def work(number):
        with locked(tmp_path / ".lock"):
            seen.append(("in", number))
            seen.append(("out", number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(40)))
    assert all(seen[i][1] == seen[i + 1][1] for i in range(0, len(seen), 2))


def test_the_kernel_frees_the_lock_of_a_killed_holder(tmp_path):
    path = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with path.open("ab") as file:
            assert not try_lock(file)
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    with path.open("ab") as file:
        lock(file)
        assert try_lock(file), "the same open file may lock again"
