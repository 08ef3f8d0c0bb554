"""A scored campaign is the same row for row in one part and in many, with and without Spark."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.call_plan import deciles
from bank_assets.core.economics.economics import BalanceAmount, Economics
from bank_assets.core.economics.suppression import SuppressionList, persons_of
from bank_assets.core.features.as_of import AsOfState, PlanSums, plan_statistics
from bank_assets.core.features.feature_set import FeatureSet, current_features
from bank_assets.core.model.scorer import Scorer
from bank_assets.core.training.recipes import Recipe
from bank_assets.landing.campaign_file import latest_campaigns
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.spark import intake
from bank_assets.spark.list_intake import read_campaign
from bank_assets.spark.ranking import SortedKeys, ranking_of
from bank_assets.spark.scoring import SCORED_SCHEMA, Scoring, decisions_of, plans_of, read_list, score_campaign
from bank_assets.spark.workers import Workers
from bank_assets_tests.world.bundles import bundle_of
from bank_assets_tests.world.contacts import FIRST, made_contacts
from bank_assets_tests.world.contracts import PERSONS
from bank_assets_tests.world.customers import delimited, delivered
from bank_assets_tests.world.workers import InThisProcess

ROWS = 600
STATE = AsOfState(
    np.datetime64("2010-10-17"),
    {"subscription_rate_7d": 0.2, "subscription_rate_30d": 0.18},
    dict.fromkeys(FeatureSet.of(UCI).plan, 0.0),
    log_odds_shift=0.31,
)
VALUES = Economics(value_amount=BalanceAmount(0.02, 20.0, 90.0, "balance"))


@pytest.fixture(scope="module")
def bundle():
    data = made_contacts(20, 30).learning_data(FIRST + np.timedelta64(22, "D"))
    return bundle_of(Recipe("logistic_regression"), data)


@pytest.fixture(scope="module")
def delivery(tmp_path_factory):
    """A list with ties, persons, refused rows, blank lines, and contacts that are named again in another part."""
    rng, rows = np.random.default_rng(17), []
    for number in range(ROWS):
        day = f"2010-10-{18 + int(rng.integers(3))}"
        facts = {"age": int(rng.integers(14, 40)), "balance": int(rng.integers(4)) * 1_000, "Kunde": f"k{number % 50}"}
        contact = f"c{int(rng.integers(ROWS)):03}" if number > ROWS / 2 else f"c{number:03}"
        rows.append(delivered(contact_id=contact, contact_date=day, **facts))
    lines = delimited(rows, [*UCI.campaign_columns, "Kunde"]).splitlines()
    lines[100:100], lines[400:400] = ["", "  "], ['"open;1;2']
    folder = tmp_path_factory.mktemp("home")
    (folder / "landing" / "campaigns").mkdir(parents=True)
    (folder / "landing" / "campaigns" / "autumn.csv").write_text("\n".join(lines))
    register_deliveries(folder / "landing", folder / "raw", PERSONS, now=datetime.now(UTC), settle_seconds=0)
    return latest_campaigns(folder / "raw")["autumn"]


def scored(workers, delivery, bundle, folder):
    read = read_list(workers, delivery, PERSONS, folder / "parts")
    scoring = Scoring(bundle, "7", UCI, STATE, VALUES, SuppressionList.of(["k3", "c004"]))
    files = score_campaign(workers, read, scoring, plans_of(read, UCI), folder / "parts", folder / "made")
    return read, pa.concat_tables([pq.read_table(one) for one in files])


def expected(delivery, bundle):
    """The list by the functions of the core alone, over all rows at once."""
    campaign = read_campaign(delivery, PERSONS)
    days, frame = campaign.contact_dates, campaign.frame
    scores = Scorer(bundle).score(
        current_features(frame, days, STATE, UCI, has_plan=True), log_odds_shift=STATE.log_odds_shift
    )
    profit = VALUES.expected_profit(scores.probability, frame)
    order = np.lexsort((campaign.contact_ids.astype(str), -np.rint(profit * 1e6)))
    persons = persons_of(campaign.contact_ids, frame)
    decision = decisions_of(campaign.contact_ids, scores.probability, VALUES, frame, SuppressionList.of(["k3", "c004"]))
    rows = {
        "contact_id": campaign.contact_ids,
        "contact_date": days,
        "probability": scores.probability,
        "probability_low": scores.low,
        "probability_high": scores.high,
        "decile": deciles(order),
        "expected_profit_eur": profit,
        "cost_eur": np.full(len(days), 5.0),
        "value_eur": VALUES.value(frame),
        "decision": decision,
        "model_version": ["7"] * len(days),
    }
    return campaign, pa.table(rows, SCORED_SCHEMA).append_column("customer_id", pa.array(persons, pa.string()))


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_a_list_is_the_same_row_for_row_however_it_is_divided(delivery, bundle, tmp_path, parts, monkeypatch):
    monkeypatch.setattr("bank_assets.spark.ranking.RANGE_ROWS", 60)
    monkeypatch.setattr("bank_assets.contract.reading.BLOCK_BYTES", 4_000)
    read, found = scored(InThisProcess(parts), delivery, bundle, tmp_path)
    campaign, wanted = expected(delivery, bundle)
    assert found.equals(wanted)
    assert len(set(found["expected_profit_eur"].to_pylist())) < len(found), "there are ties"
    assert set(found["decision"].to_pylist()) == {"call", "do_not_call"}
    assert (read.rejected, read.n_rejected) == (campaign.rejected, campaign.n_rejected)
    assert len(read) + read.n_rejected == delivery.rows
    reasons = " ".join(read.rejected)
    assert all(one in reasons for one in ("found again", "does not close", "age: expected"))


@pytest.mark.spark
def test_spark_gives_the_same_list_as_this_process(spark, delivery, bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "ONE_TASK_BYTES", 10_000)
    monkeypatch.setattr("bank_assets.spark.workers.ONE_TASK_BYTES", 10_000)
    workers = Workers(lambda: spark)
    assert len(workers.ranges(delivery)) == 2
    _, found = scored(workers, delivery, bundle, tmp_path)
    assert found.equals(expected(delivery, bundle)[1])


def test_a_small_list_starts_no_spark(delivery, bundle, tmp_path):
    def session():
        raise AssertionError("expected no Spark session for a small list")

    assert len(scored(Workers(session), delivery, bundle, tmp_path)[1])


def test_the_sums_of_a_list_are_continued_to_the_last_bit():
    rng = np.random.default_rng(3)
    frame = made_contacts(20, 30).frame
    frame = {name: np.resize(column, 4_000) for name, column in frame.items()}
    frame["balance"] = rng.normal(0, 3_000, 4_000)
    days = rng.integers(0, 9, 4_000).astype("datetime64[D]")
    sums = PlanSums(UCI)
    for part in np.array_split(np.arange(4_000), 13):
        sums.add({name: column[part] for name, column in frame.items()}, days[part])
    whole = plan_statistics(frame, days, UCI)
    assert np.array_equal(sums.statistics()[0], whole[0])
    assert sums.statistics()[1].tobytes() == whole[1].tobytes()


@pytest.mark.parametrize("seed", range(4))
def test_a_distributed_sort_is_the_sort_of_all_rows(tmp_path, seed, monkeypatch):
    monkeypatch.setattr("bank_assets.spark.ranking.RANGE_ROWS", 100)
    rng = np.random.default_rng(seed)
    profit = rng.integers(-3, [2, 4, 40, 4_000][seed], 1_500) / 1e6  # from almost all equal to almost all different
    ids = np.array([f"c{one}" for one in rng.permutation(1_500)], dtype=object)
    parts = [
        SortedKeys.write(tmp_path / str(number), profit[rows], pa.array(ids[rows]))
        for number, rows in enumerate(np.split(np.arange(1_500), [10, 10, 700, 1_200]))
    ]
    expected = np.lexsort((ids.astype(str), -np.rint(profit * 1e6)))
    assert ranking_of(parts, InThisProcess()).tolist() == expected.tolist()


def test_a_customer_who_objected_is_not_called_at_any_probability():
    proba = np.array([0.9, 0.9, 0.01])
    found = decisions_of(["a", "b", "c"], proba, Economics.constant(5.0, 50.0), {}, SuppressionList.of(["b"]))
    assert found.to_pylist() == ["call", "do_not_call", "do_not_call"]
    rows = {"customer_id": np.array(["k", None, "l"], dtype=object)}
    found = decisions_of(["a", "b", "c"], proba, Economics.constant(0.1, 50.0), rows, SuppressionList.of(["k", "b"]))
    assert found.to_pylist() == ["do_not_call", "do_not_call", "call"]
