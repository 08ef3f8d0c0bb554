"""A run whose process is gone is failed; one that lives is left alone."""

import subprocess
import sys
import uuid

import dagster as dg
import psutil
import pytest

from bank_assets.resources.instance import boot_id, is_orphan, open_instance, own_run_tags, reap_orphans
from bank_assets.settings import Settings


def dead_process_tags():
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    started = f"{psutil.Process(process.pid).create_time():.2f}"
    process.wait()
    return {
        "bank/pid": str(process.pid),
        "bank/process_started": started,
        "bank/boot_id": boot_id(),
        "bank/marked_run": "r",
    }


def test_a_living_process_is_no_orphan():
    assert not is_orphan(own_run_tags("r"), "r")


def test_a_run_without_marks_is_not_judged():
    assert not is_orphan({}, "r")


@pytest.mark.parametrize("changes", [{"bank/boot_id": "another boot"}, {"bank/process_started": "1.00"}])
def test_a_reused_process_id_and_another_boot_are_orphans(changes):
    assert is_orphan(own_run_tags("r") | changes, "r")


def test_a_retried_run_is_not_judged_by_the_marks_it_inherited():
    assert is_orphan(dead_process_tags(), "r")
    assert not is_orphan(dead_process_tags(), "retry of r")


def test_orphans_are_failed_and_others_left(tmp_path):
    @dg.job
    def nothing(): ...

    with open_instance(Settings(home=tmp_path)) as instance:
        made = {}
        for name, tags in {"dead": dead_process_tags(), "alive": own_run_tags("")}.items():
            run_id = str(uuid.uuid4())
            marks = tags | {"bank/marked_run": run_id}
            instance.create_run_for_job(nothing, run_id=run_id, status=dg.DagsterRunStatus.STARTED, tags=marks)
            made[name] = run_id
        assert reap_orphans(instance) == [made["dead"]]
        assert instance.get_run_by_id(made["dead"]).status is dg.DagsterRunStatus.FAILURE
        assert instance.get_run_by_id(made["alive"]).status is dg.DagsterRunStatus.STARTED
        assert reap_orphans(instance) == []
