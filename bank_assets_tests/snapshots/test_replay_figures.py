"""What the policies earn on a short simulated history, by the replay command."""

import argparse
import json

import pytest

from bank_assets.commands import replay as replay_command
from bank_assets.settings import Settings

pytestmark = pytest.mark.slow

FIRST, LAST = "2008-11-01", "2009-05-31"
DIGITS = 4
"""Digits of measures that are neither counts nor money; their last digits depend on the processor."""


def rounded(value):
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def by(key, rows, *, without=()):
    return {row[key]: {name: one for name, one in row.items() if name not in (key, *without)} for row in rows}


POLICIES = {"full": "platform,monthly,contact_all", "called": "platform"}


@pytest.mark.parametrize("feedback", POLICIES)
def test_figures_of_a_short_history(tmp_path, capsys, snapshot, feedback):
    parser = argparse.ArgumentParser()
    replay_command.add_arguments(parser)
    words = ["--json", "--processes", "1", "--policies", POLICIES[feedback], "--feedback", feedback]
    names = ("lightgbm/none", "logistic_regression/none")  # all twenty take a minute a search
    home = Settings(home=tmp_path, source="simulated", simulated_rows=4_000, candidates=names)
    assert replay_command.run(parser.parse_args([*words, "--first-day", FIRST, "--last-day", LAST]), home) == 0
    document = json.loads(capsys.readouterr().out)
    platform = document["policies"][0]
    events = json.loads(next(tmp_path.glob("**/replay.json")).read_text())["events"]
    found = {
        **document,
        "policies": by("name", document["policies"], without=("months", "cpu_seconds")),
        "months of the platform": by("month", platform["months"]),
        "events of the platform": events,
    }
    assert rounded(found) == snapshot
