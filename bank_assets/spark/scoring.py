"""Batch scoring: distributes rows over Spark tasks that all run the one scorer.

Each task opens the bundle from broadcast bytes. ONNX runs with one thread, so a row's score does not depend on its
batch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from bank_assets.contract.contract import Contract
from bank_assets.contract.file import contract_on_record
from bank_assets.core.arrays import FloatArray, Rows
from bank_assets.core.economics.call_plan import deciles, ranked
from bank_assets.core.economics.economics import COST_COLUMN, VALUE_COLUMN, Economics
from bank_assets.core.economics.suppression import CUSTOMER_ID, SuppressionList, persons_of
from bank_assets.core.features.as_of import AsOfState
from bank_assets.core.features.feature_set import FeatureSet, current_features
from bank_assets.core.model.scorer import Scorer
from bank_assets.landing.campaign_file import Campaign

ROWS_PER_TASK: Final = 200_000

SCORED_SCHEMA: Final = pa.schema(
    [
        ("contact_id", pa.string()),
        ("contact_date", pa.date32()),
        ("probability", pa.float64()),
        ("probability_low", pa.float64()),
        ("probability_high", pa.float64()),
        ("decile", pa.int32()),
        ("expected_profit_eur", pa.float64()),
        (COST_COLUMN, pa.float64()),
        (VALUE_COLUMN, pa.float64()),
        ("decision", pa.string()),
        ("model_version", pa.string()),
    ]
)
_PARTIAL_SCHEMA: Final = "contact_id string, probability double, probability_low double, probability_high double"


def feature_table(campaign: Campaign, state: AsOfState, contract: Contract) -> pa.Table:
    """`contact_id` and the features of a campaign's rows; the file is the whole call list of its days."""
    features = current_features(campaign.frame, campaign.contact_dates, state, contract, has_plan=True)
    feature_set = FeatureSet.of(contract)
    columns: dict[str, Any] = {"contact_id": pa.array(campaign.contact_ids, pa.string())}
    for name in feature_set.names:
        kind = pa.string() if name in feature_set.category else pa.float64()
        columns[name] = pa.array(features[name], kind)
    return pa.table(columns)


def scoring_task(
    bundle: Mapping[str, bytes],
    log_odds_shift: float,
    names: Sequence[str],
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function that each Spark task runs over its Arrow batches (=), whose columns have these names."""

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        scorer = Scorer(bundle)
        for one in batches:
            batch = one.rename_columns(names)
            features = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in scorer.feature_names}
            scores = scorer.score(features, log_odds_shift=log_odds_shift)
            yield pa.RecordBatch.from_arrays(
                [batch.column("contact_id"), pa.array(scores.probability), pa.array(scores.low), pa.array(scores.high)],
                ["contact_id", "probability", "probability_low", "probability_high"],
            )

    return score


def score_campaign(
    session: SparkSession,
    campaign: Campaign,
    bundle: Mapping[str, bytes],
    version: str,
    state: AsOfState,
    economics: Economics,
    suppression: SuppressionList,
) -> pa.Table:
    """Score every usable row of a campaign (=): one row per contact in the order of the file, `SCORED_SCHEMA`.

    The person behind each contact follows as `customer_id` if the list names them.
    """
    if len(campaign.contact_ids) == 0:
        return SCORED_SCHEMA.empty_table()
    contract = contract_on_record(json.loads(bundle["decision.json"]).get("contract"))
    table = feature_table(campaign, state, contract)
    names = table.column_names
    frame = session.createDataFrame(table.rename_columns([f"_{at}" for at in range(len(names))]))  # no dots for Spark
    tasks = max(1, -(-len(campaign.contact_ids) // ROWS_PER_TASK))
    task = scoring_task(dict(bundle), state.log_odds_shift, names)
    found = frame.repartition(tasks).mapInArrow(task, _PARTIAL_SCHEMA).toArrow()
    ids = pa.array(campaign.contact_ids, pa.string())
    table = found.take(pc.index_in(ids, found["contact_id"].combine_chunks()))
    proba = table.column("probability").to_numpy()
    profit = economics.expected_profit(proba, campaign.frame)
    cost, value = economics.cost(campaign.frame), economics.value(campaign.frame)
    rows = pa.table(
        {
            "contact_id": table.column("contact_id"),
            "contact_date": pa.array(campaign.contact_dates),
            "probability": proba,
            "probability_low": table.column("probability_low"),
            "probability_high": table.column("probability_high"),
            "decile": deciles(ranked(profit, np.asarray(campaign.contact_ids, dtype=np.str_))).astype(np.int32),
            "expected_profit_eur": profit,
            COST_COLUMN: np.broadcast_to(cost, len(proba)),
            VALUE_COLUMN: np.broadcast_to(value, len(proba)),
            "decision": decisions_of(campaign.contact_ids, proba, economics, campaign.frame, suppression),
            "model_version": [version] * len(proba),
        },
        schema=SCORED_SCHEMA,
    )
    if CUSTOMER_ID not in campaign.frame:
        return rows
    persons = persons_of(campaign.contact_ids, campaign.frame)
    return rows.append_column(CUSTOMER_ID, pa.array(persons, pa.string()))


def decisions_of(
    contact_ids: Sequence[object], proba: FloatArray, economics: Economics, rows: Rows, suppression: SuppressionList
) -> list[str]:
    """`call` or `do_not_call` for each contact, (n,); nobody who objected is called, whatever a call would earn."""
    worth = economics.decide(proba, rows)
    return [
        "call" if is_worth and not suppression.covers(*ids) else "do_not_call"
        for is_worth, *ids in zip(worth, contact_ids, persons_of(contact_ids, rows), strict=True)
    ]
