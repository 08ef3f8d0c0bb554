"""Replicas as Compose services: the commands that an engine would receive. A program records them; no engine runs."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from dagster._core.secrets.env_file import get_env_var_dict

from bank_assets_tests.world.waiting import wait_until
from deploy import rolling
from deploy.instances import SETTINGS, Compose, Process

ROOT = Path(__file__).resolve().parents[2]
DOCKER = """#!/bin/sh
printf '%s|%s\\n' "$BANK_IMAGE_TAG" "$*" >> "$NOTES"
case "$*" in
  *" config --services") printf 'postgres\\napp-b\\nproxy\\napp-a\\n' ;;
  *" exec "*) test "$BANK_IMAGE_TAG" != bad || exit 1 ;;
  *" logs "*) echo "the log of $8" ;;
  *" run "*) test "$BANK_IMAGE_TAG" != unmigratable || { echo "no disk" >&2; exit 1; } ;;
esac
exit 0
"""


@pytest.fixture
def compose(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    (tmp_path / SETTINGS).parent.mkdir()
    (tmp_path / SETTINGS).write_text("BANK_BIND=127.0.0.1\nBANK_IMAGE_TAG=old\n")
    monkeypatch.chdir(tmp_path)
    return Compose(tmp_path)


def notes(compose: Compose) -> list[str]:
    return (compose.folder / "notes").read_text().splitlines()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(rolling.time, "sleep", lambda _seconds: None)


def test_a_version_is_migrated_then_put_on_one_service_after_the_other_and_kept(compose, quick):
    assert rolling.main(["new", "--ready-seconds", "0.1"]) == 0
    changing = [line for line in notes(compose) if " up " in line or " run " in line]
    assert changing == [
        "new|compose --env-file deploy/compose.env run --rm --no-deps -T migrate",
        "new|compose --env-file deploy/compose.env up --detach --no-deps --no-build app-a",
        "new|compose --env-file deploy/compose.env up --detach --no-deps --no-build app-b",
    ]
    assert (compose.folder / SETTINGS).read_text() == "BANK_BIND=127.0.0.1\nBANK_IMAGE_TAG=new\n"


def test_a_version_that_is_not_ready_is_rolled_back_and_not_kept(compose, quick, capsys):
    assert rolling.main(["bad", "--ready-seconds", "0.1"]) == 1
    changing = [line for line in notes(compose) if " up " in line]
    assert changing == [
        "bad|compose --env-file deploy/compose.env up --detach --no-deps --no-build app-a",
        "old|compose --env-file deploy/compose.env up --detach --no-deps --no-build app-a",
    ]
    assert compose.release() == "old"
    assert "old serves: app-a" in capsys.readouterr().err


def test_a_migration_that_fails_stops_everything(compose, quick, capsys):
    assert rolling.main(["unmigratable"]) == 1
    assert "no disk" in capsys.readouterr().err
    assert not any(" up " in line for line in notes(compose))


def test_without_a_tag_in_env_nothing_is_done(compose, capsys):
    (compose.folder / SETTINGS).write_text("BANK_IMAGE_TAG=\n")
    assert rolling.main(["new"]) == 2
    assert "expected BANK_IMAGE_TAG=<tag>" in capsys.readouterr().err


def make(compose: Compose, *targets: str) -> None:
    """Real targets of the Makefile in a folder that was never deployed; images and secrets are there already."""
    (compose.folder / SETTINGS).unlink()
    shutil.copy(ROOT / "Makefile", compose.folder)
    shutil.copy(ROOT / f"{SETTINGS}.example", compose.folder / "deploy")
    (compose.folder / "deploy/images.sh").write_text("test $# = 0 || echo v1\n")
    (compose.folder / "deploy/make_secrets.py").write_text("")
    for target in targets:
        subprocess.run(["make", target], cwd=compose.folder, check=True, capture_output=True, timeout=60)


def test_make_up_and_make_ui_do_not_see_each_others_settings(compose):
    """Dagster reads a `.env` in its folder; with Compose's settings in it, `make ui` would run like a container."""
    own = "BANK_SOURCE=simulated\n"
    (compose.folder / ".env").write_text(own)
    make(compose, "up", "down")
    assert [line.partition("|")[2] for line in notes(compose)] == [
        "compose --env-file deploy/compose.env up --detach",
        "compose --env-file deploy/compose.env down",
    ]
    assert compose.release() == "v1"
    assert (compose.folder / ".env").read_text() == own
    assert get_env_var_dict(str(compose.folder)) == {"BANK_SOURCE": "simulated"}


def test_make_up_takes_over_what_an_earlier_version_wrote_to_env(compose):
    (compose.folder / ".env").write_text("BANK_BIND=10.0.0.1\nBANK_IMAGE_TAG=old\n")
    make(compose, "up")
    assert (compose.folder / SETTINGS).read_text() == "BANK_BIND=10.0.0.1\nBANK_IMAGE_TAG=old\n"
    assert not (compose.folder / ".env").exists()


def test_a_process_that_does_not_end_is_killed_after_its_time(tmp_path):
    (tmp_path / "old" / "serving").mkdir(parents=True)
    (tmp_path / "old" / "serving" / "__init__.py").touch()  # without it, Python takes the installed package
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    (tmp_path / "old" / "serving" / "__main__.py").write_text(code)
    process = Process("a", tmp_path, {"BANK_PORT": "1"}, tmp_path / "log", stop_seconds=0.3)
    assert (process.stop(), process.failure(), process.story()) == (None, "", "")
    process.replace("old")
    wait_until(lambda: "up" in process.story(), 30, "the process")
    assert process.is_ready("old") is False
    assert process.stop() == -9
    process.replace("old")
    process._running.kill()
    process._running.wait()
    assert "ended with exit code -9" in process.failure()
