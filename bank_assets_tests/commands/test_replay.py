"""The replay command: one document on stdout, files beside it, and a second call that continues the first."""

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bank_assets.commands import replay as replay_command
from bank_assets.core.economics.economics import Economics
from bank_assets.replay.contacts import read_history
from bank_assets.replay.replay import POLICIES, fingerprint
from bank_assets.replay.trace import Checkpoint, Trace
from bank_assets.replay.world import ReplaySettings
from bank_assets.settings import Settings
from bank_assets.sources.landing import land_source
from bank_assets.sources.source import Source
from bank_assets.sources.uci import SourceError

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
KEYS = {"value_eur", "cost_eur", "first_day", "last_day", "policies"}
POLICY_KEYS = {
    "name", "profit_eur", "share_of_oracle", "contacts_called", "subscriptions", "roc_auc", "f1", "brier", "trainings",
    "searches", "recalibrations", "alerts", "cpu_seconds", "months",
}  # fmt: skip


@pytest.fixture
def home(tmp_path):
    return Settings(home=tmp_path, source="simulated", simulated_rows=3_000)


def call(home, *words):
    parser = argparse.ArgumentParser()
    replay_command.add_arguments(parser)
    return replay_command.run(parser.parse_args(["--json", "--processes", "1", *words]), home)


def document(capsys):
    return json.loads(capsys.readouterr().out)


class TestDocument:
    def test_stdout_is_one_json_document_with_the_documented_keys(self, home, capsys):
        assert call(home, "--policies", "contact_all,oracle,never") == 0
        found = document(capsys)
        assert set(found) >= KEYS
        assert [policy["name"] for policy in found["policies"]] == ["contact_all", "oracle", "never"]
        for policy in found["policies"]:
            assert set(policy) >= POLICY_KEYS
        assert found["source"]["is_real"] is False
        assert "simulated" in found["source"]["label"]

    def test_in_a_process_of_its_own_nothing_else_is_on_stdout(self, tmp_path):
        environment = {"BANK_HOME": str(tmp_path), "BANK_SOURCE": "simulated", "BANK_SIMULATED_ROWS": "3000"}
        done = subprocess.run(
            [sys.executable, "-m", "bank_assets", "replay", "--json", "--policies", "contact_all,never"],
            env={**environment, "PATH": "/usr/bin:/bin"},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        assert len(json.loads(done.stdout)["policies"]) == 2
        assert "source: simulated" in done.stderr

    def test_the_economics_of_the_command_line_win(self, home, capsys):
        call(home, "--policies", "contact_all,oracle", "--value", "100", "--cost", "4")
        found = document(capsys)
        assert (found["value_eur"], found["cost_eur"]) == (100.0, 4.0)
        everyone, oracle = found["policies"]
        assert everyone["profit_eur"] == 100 * everyone["subscriptions"] - 4 * everyone["contacts_called"]
        assert oracle["profit_eur"] == 96 * oracle["subscriptions"]

    def test_the_requested_days(self, home, capsys):
        call(home, "--policies", "contact_all", "--first-day", "2009-05-01", "--last-day", "2009-06-30")
        found = document(capsys)
        assert found["first_day"] == "2009-05-01"
        assert found["last_day"] <= "2009-06-30"
        assert [month["month"] for month in found["policies"][0]["months"]] == ["2009-05", "2009-06"]
        call(home, "--policies", "contact_all", "--last-day", "2009-06-30", "--count-from", "2009-05-01")
        later = document(capsys)["policies"][0]
        assert later["profit_eur"] == found["policies"][0]["profit_eur"]

    def test_report_files(self, home, capsys):
        call(home, "--policies", "contact_all,never")
        folder = home.reports / "replay"
        page = (folder / "index.html").read_text()
        assert "prefers-color-scheme: dark" in (folder / "replay.svg").read_text()
        assert "simulated" in page
        assert "http" not in page.replace("http-equiv", "")
        assert json.loads((folder / "replay.json").read_text())["policies"] == document(capsys)["policies"]
        (folder / "index.html").unlink()
        assert call(home, "--redraw", str(folder / "replay.json")) == 0
        assert (folder / "index.html").read_text() == page

    def test_both_ways_of_learning_keep_a_report(self, home, capsys):
        call(home, "--policies", "never", "--learning-share", "0", "--learning-minimum", "3")
        call(home, "--policies", "never", "--feedback", "full")
        called, full = (json.loads((home.reports / n / "replay.json").read_text()) for n in ("replay", "replay-full"))
        assert (full["feedback"], full["learning"]["share"]) == ("full", 0.0)
        assert (called["feedback"], called["learning"]["minimum"]) == ("called", 3)

    def test_seeds_reach_every_draw_and_their_spread_is_in_the_document(self, home, capsys):
        words = ("--policies", "contact_all,weekly", "--last-day", "2009-01-31")
        call(home, *words, "--seed", "3", "--seeds", "2")
        found = document(capsys)
        assert (found["seed"], found["seeds"]["seeds"]) == (3, [3, 4])
        everyone, weekly = (found["seeds"]["profit_eur"][name] for name in ("contact_all", "weekly"))
        assert (len(set(everyone["by_seed"])), everyone["standard_error"]) == (1, 0.0)
        assert len(set(weekly["by_seed"])) == 2
        assert weekly["mean"] == np.mean(weekly["by_seed"])
        kept = json.loads((home.reports / "replay" / "replay.json").read_text())
        assert kept["seeds"] == found["seeds"]
        call(home, *words, "--seed", "4")
        assert document(capsys)["policies"][1]["profit_eur"] == weekly["by_seed"][1], "a seed gives the same again"

    def test_the_seed_of_the_deployment_is_the_default(self, home, capsys):
        call(home, "--policies", "contact_none")
        assert document(capsys)["seed"] == home.seed

    def test_a_table_for_people_without_json(self, home, capsys):
        parser = argparse.ArgumentParser()
        replay_command.add_arguments(parser)
        assert replay_command.run(parser.parse_args(["--policies", "contact_all", "--processes", "1"]), home) == 0
        assert "contact_all" in capsys.readouterr().out

    def test_all_policies_are_the_default(self):
        parser = argparse.ArgumentParser()
        replay_command.add_arguments(parser)
        assert parser.parse_args([]).policies == list(POLICIES)


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "reported"),
        [
            (["--value", "0"], "value per subscription"),
            (["--cost", "1000000000"], "cost per contact"),
            (["--outcome-delay-days", "0"], "outcome delay"),
            (["--first-day", "2030-01-01"], "choose other days"),
            (["--count-from", "2030-01-01"], "choose an earlier one"),
        ],
    )
    def test_unusable_values_end_with_2_and_a_sentence(self, home, capsys, words, reported):
        assert call(home, "--policies", "contact_all", *words) == 2
        output = capsys.readouterr()
        assert reported in " ".join(output.err.split())
        assert output.out == ""

    @pytest.mark.parametrize(
        "words",
        [
            ["--policies", "everyone"],
            ["--policies", ""],
            ["--first-day", "May"],
            ["--value=-3"],
            ["--learning-share", "2"],
            ["--value", "nan"],
            ["--processes", "2.000"],
            ["--processes", "5"],
        ],
    )
    def test_unusable_words_are_refused_by_the_parser(self, home, capsys, words):
        with pytest.raises(SystemExit) as stop:
            call(home, *words)
        assert stop.value.code == 2
        assert "expected" in capsys.readouterr().err

    def test_a_missing_file_is_named(self, home, capsys, tmp_path):
        missing = Settings(home=tmp_path, source=str(tmp_path / "gone.csv"))
        assert call(missing, "--policies", "contact_all") == 2
        assert "gone.csv" in capsys.readouterr().err.replace("\n", "")


class TestGoingOn:
    def test_a_second_call_fits_nothing_and_says_the_same(self, home, capsys, monkeypatch):
        call(home, "--policies", "never,monthly")
        first = document(capsys)

        def no_fit(*_, **__):
            raise AssertionError("fitted again")

        monkeypatch.setattr("bank_assets.replay.policies.fit_deployment", no_fit)
        call(home, "--policies", "never,monthly")
        assert document(capsys) == first

    def test_other_settings_start_afresh(self, home, capsys):
        call(home, "--policies", "never")
        call(home, "--policies", "never", "--outcome-delay-days", "5")
        document_folders = list((home.home / "replay").iterdir())
        assert len(document_folders) == 2

    def test_a_broken_checkpoint_is_made_again(self, home, capsys):
        call(home, "--policies", "never")
        first = document(capsys)
        (path,) = (home.home / "replay").glob("*/never.npz")
        path.write_bytes(path.read_bytes()[:1_000])
        assert call(home, "--policies", "never") == 0
        again = document(capsys)
        assert again["policies"][0]["profit_eur"] == first["policies"][0]["profit_eur"]


class TestCheckpoint:
    def test_round_trip(self, tmp_path):
        trace = Trace.empty(3)
        trace.proba[1], trace.called[2] = 0.4, True
        files = {"a.json": b"{}", "model.onnx": bytes(range(256))}
        Checkpoint("2009-01-02", 1.5, trace, files).write(tmp_path / "platform.npz")
        found = Checkpoint.read(tmp_path / "platform.npz", 3)
        np.testing.assert_array_equal(found.trace.proba, trace.proba)
        np.testing.assert_array_equal(found.trace.called, trace.called)
        assert (found.as_of, found.cpu_seconds, found.files) == ("2009-01-02", 1.5, files)
        assert [path.name for path in tmp_path.iterdir()] == ["platform.npz"]

    def test_none_for_other_contacts(self, tmp_path):
        path = tmp_path / "platform.npz"
        assert Checkpoint.read(path, 3) is None
        Checkpoint("2009-01-02", 1.5, Trace.empty(3), {}).write(path)
        assert Checkpoint.read(path, 4) is None

    def test_fingerprint_follows_contacts_and_settings(self):
        one = ReplaySettings(Economics(), np.datetime64("2008-09-01"))
        others = [replace(one, seed=1), replace(one, candidates=("lightgbm/none",)), replace(one, probation=False)]
        assert fingerprint("a", one) == fingerprint("a", replace(one))
        assert len({fingerprint("a", one), fingerprint("b", one), *(fingerprint("a", other) for other in others)}) == 5


class TestHistory:
    def delivered(self, tmp_path, contact, rows):
        path = tmp_path / "contacts.csv"
        made = [contact(**row) for row in rows]
        lines = [";".join(made[0]), *(";".join(str(value) for value in row.values()) for row in made)]
        path.write_text("\n".join(lines))
        return Source("file", "file contacts.csv", path=path)

    def test_bad_rows_are_left_out_and_counted_and_the_last_of_two_counts(self, tmp_path, contact):
        source = self.delivered(
            tmp_path,
            contact,
            [
                {"contact_id": "a", "contact_date": "2020-01-01"},
                {"contact_id": "b", "contact_date": "2020-01-02", "age": "seven"},
                {"contact_id": "c", "contact_date": "2020-01-02", "job": "wizard"},
                {"contact_id": "d", "contact_date": "2020-01-03", "age": 300},
                {"contact_id": "a", "contact_date": "2020-01-04", "y": "yes"},
                {"contact_id": "e", "contact_date": "2020-01-05", "y": ""},
            ],
        )
        history = read_history(source, Settings(home=tmp_path))
        assert history.contacts.contact_ids.tolist() == ["a", "e"]
        assert history.contacts.is_subscribed.tolist() == [True, False]
        assert history.contacts.has_outcome.tolist() == [True, False]
        assert history.left_out == 4

    def test_nothing_usable_is_refused(self, tmp_path, contact):
        source = self.delivered(tmp_path, contact, [{"age": 300}])
        with pytest.raises(SourceError, match="none that is usable"):
            read_history(source, Settings(home=tmp_path))

    def test_another_outcome_is_another_digest(self, tmp_path, contact):
        digests = {
            read_history(self.delivered(tmp_path, contact, [{"y": y}]), Settings(home=tmp_path)).digest
            for y in ("yes", "no", "")
        }
        assert len(digests) == 3

    def test_the_real_file(self, real_csv, tmp_path):
        source = Source("file", "UCI", path=real_csv)
        history = read_history(source, Settings(home=tmp_path))
        assert len(history.contacts) == 45_211
        assert history.left_out == 0
        assert int(history.contacts.is_subscribed.sum()) == 5_289
        assert str(history.contacts.contact_dates[[0, -1]].astype(str).tolist()) == "['2008-05-05', '2010-11-17']"
        # Fits depend on the order of rows, which is by day and identifier: the replay's must be those of deliveries.
        land_source(source, Settings(home=tmp_path))
        files = sorted((tmp_path / "landing" / "contacts").iterdir())
        landed = [line.split(";")[0].strip('"') for path in files for line in path.read_text().splitlines()[1:]]
        assert history.contacts.contact_ids.tolist() == landed
