"""From delivered rows to `contacts`, `outcomes` and `rejected_contacts`: pure functions from frame to frame.

What lives here: judging a row, typing it, choosing the last arrival, and the columns of the three tables.
What must not: reading and writing (`delivery`, `fan_out`, `etl`), the rules themselves (`rules`).
Called by `bank_assets.spark.etl`; every function says its grain and what it does to the number of rows.

A *judged* frame holds every delivered row once, with its month, its typed values, which tables it belongs to, and the
raw text of unusable rows alone. `*_output` say which of its columns make which table.
Sentinels become explicit: `pdays` −1 is `was_previously_contacted` false and `days_since_previous_contact` NULL;
`unknown` stays a category, because "the bank does not know" is a fact that predicts.
"""

from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bank_assets import contract
from bank_assets.contract import Kind, Known
from bank_assets.spark import rules
from bank_assets.spark.delivery import (
    ARRIVAL,
    DELIVERY,
    FIRST_DAY,
    HOME_MONTH,
    LAST_DAY,
    LINE,
    POSITION,
    PROVENANCE,
)
from bank_assets.spark.fan_out import MONTH, Output

WAS_PREVIOUSLY_CONTACTED: Final = "was_previously_contacted"
ARRIVED_ON: Final = "arrived_on"
DELIVERY_ARRIVAL: Final = "delivery_arrival"
REJECTED_COLUMNS: Final = (*contract.DELIVERY_COLUMNS, "arrived_at")
"""Raw fields of a rejected row, each as the text that was delivered."""

CONTACTS: Final = "contacts"
OUTCOMES: Final = "outcomes"
REJECTED: Final = "rejected_contacts"
UNUSABLE: Final = "_unusable"
"""The rejected rows before their reasons are put into words: their text as JSON."""

KEYS: Final = "_keys"
"""The key hashes of the usable rows, to find repeated ones after the pass."""

CONTACT_KEY: Final = ("contact_id",)
OUTCOME_KEY: Final = ("contact_id", "arrived_at")
IS_VALID: Final = "_is_valid"
IS_UNUSABLE: Final = "_is_unusable"
HAS_OUTCOME: Final = "_has_outcome"
RAW: Final = "raw"
KEY: Final = "_key"
PLACE: Final = "_place"
IS_IDENTICAL: Final = "_is_identical"


def contact_schema() -> t.StructType:
    """Columns and types of the `contacts` table; the month is the partition."""
    fields = [
        t.StructField(column.table, _type_of(column), column.sentinel == -1)
        for column in contract.COLUMNS
        if column.known not in (Known.POST_CONTACT, Known.TARGET)
    ]
    fields.append(t.StructField(WAS_PREVIOUSLY_CONTACTED, t.BooleanType(), nullable=False))
    fields.append(t.StructField(DELIVERY_ARRIVAL, t.IntegerType(), nullable=False))
    return t.StructType(fields)


def _type_of(column: contract.Column) -> t.DataType:
    types: dict[Kind, t.DataType] = {
        Kind.INTEGER: t.IntegerType(),
        Kind.BOOLEAN: t.BooleanType(),
        Kind.DATE: t.DateType(),
    }
    return types.get(column.kind, t.StringType())


def _typed(column: contract.Column) -> Column:
    """The typed value of one delivered column; of an unusable field NULL or anything."""
    name = column.source
    value = f.col(rules.value_name(name))
    if column.kind is Kind.INTEGER and column.sentinel == -1:
        value = f.when(value != -1, value)  # −1 is "never", not a number of days
    elif column.kind is Kind.BOOLEAN:
        value = rules.text(name) == "yes"
    elif column.kind in (Kind.CATEGORY, Kind.STRING):
        value = rules.text(name)
    return value.alias(column.table)


def _judge(
    delivered: DataFrame,
    of: tuple[rules.Rule, ...],
    key: tuple[str, ...],
    columns: tuple[str, ...],
    typed: list[Column],
) -> DataFrame:
    """Month, order, verdict and typed values of every row (=), and the raw text of unusable rows alone."""
    valid = rules.is_valid(of)
    day = f.col(rules.value_name(_date_column(columns)))
    month = f.coalesce(f.year(day) * 12 + f.month(day) - 1, f.col(HOME_MONTH))
    # As JSON: a struct of 26 fields costs a tenth of the pass on its way through Arrow, even if it is NULL.
    raw = f.to_json(f.struct(*[f.col(f"`{name}`") for name in (*columns, LINE, *PROVENANCE)]))
    return delivered.select("*", *rules.values(columns)).select(
        month.alias(MONTH),
        POSITION,
        valid.alias(IS_VALID),
        (~valid).alias(IS_UNUSABLE),
        f.when(~valid, raw).alias(RAW),
        key_hash(key, columns).alias(KEY),
        f.col(ARRIVAL).alias(DELIVERY_ARRIVAL),
        *typed,
    )


def _date_column(columns: tuple[str, ...]) -> str:
    return next(name for name in ("contact_date", "arrived_at") if name in columns)


def judge_contacts(delivered: DataFrame) -> DataFrame:
    """Judge and type the rows of contacts deliveries (=).

    A usable row is a contact. It is an outcome too if `y` or `duration` is known; its arrival is then the contact
    date: the delivery says nothing else, and a call and its result leave the call centre on one day.

    Args:
        delivered: strings, from `delivery.read_deliveries`.

    Returns:
        A judged frame.
    """
    typed = [_typed(column) for column in contract.COLUMNS]
    typed.append((f.col(rules.value_name("pdays")) != -1).alias(WAS_PREVIOUSLY_CONTACTED))
    judged = _judge(delivered, rules.contact_rules(), CONTACT_KEY, contract.DELIVERY_COLUMNS, typed)
    is_known = f.col("is_subscribed").isNotNull() | f.col("duration_seconds").isNotNull()
    return judged.withColumn(HAS_OUTCOME, f.col(IS_VALID) & is_known)


def judge_outcomes(delivered: DataFrame) -> DataFrame:
    """Judge and type the rows of outcomes deliveries (=); the month is that of the arrival.

    Earlier outcomes of the same contact stay in the table: a reader takes the latest that had arrived.

    Args:
        delivered: strings, from `delivery.read_deliveries`.

    Returns:
        A judged frame.
    """
    typed = [_typed(contract.BY_SOURCE[name]) for name in ("contact_id", "y", "duration")]
    typed.append(f.col(rules.value_name("arrived_at")).alias(ARRIVED_ON))
    return _judge(delivered, rules.outcome_rules(), OUTCOME_KEY, contract.OUTCOME_COLUMNS, typed)


def _outcome_output(where: str, arrived_on: str) -> Output:
    same = {name: name for name in ("contact_id", "is_subscribed", "duration_seconds")}
    return Output(OUTCOMES, where, {**same, ARRIVED_ON: arrived_on, DELIVERY_ARRIVAL: DELIVERY_ARRIVAL})


def contact_outputs() -> tuple[Output, ...]:
    """What a judged frame of contacts deliveries fills."""
    contacts = Output(CONTACTS, IS_VALID, {name: name for name in contact_schema().fieldNames()})
    return contacts, _outcome_output(HAS_OUTCOME, "contact_date"), *_scratch_outputs()


def outcome_outputs() -> tuple[Output, ...]:
    """What a judged frame of outcomes deliveries fills."""
    return _outcome_output(IS_VALID, ARRIVED_ON), *_scratch_outputs()


def _scratch_outputs() -> tuple[Output, ...]:
    return Output(UNUSABLE, IS_UNUSABLE, {RAW: RAW}), Output(KEYS, IS_VALID, {KEY: KEY})


def key_hash(key: tuple[str, ...], columns: tuple[str, ...]) -> Column:
    """64 bits for month and key of a delivered row, from its text; NULL where the contact has no id.

    Equal keys give equal hashes. Different keys may, once in 10¹⁹ pairs: such rows are looked at again, exactly.

    Args:
        key: delivered columns that identify a row within its month.
        columns: header of the family, which tells the date column.
    """
    days = {_date_column(columns): 10}
    parts = [f.substring(f.trim(f.col(name)), 1, days[name]) if name in days else f.trim(f.col(name)) for name in key]
    month = f.substring(f.trim(f.col(_date_column(columns))), 1, 7)
    return f.when(f.col(key[0]).isNotNull(), f.xxhash64(month, *parts))


def repeated_keys(keys: DataFrame) -> DataFrame:
    """The key hashes that more than one row has (≤), one row `_key` each.

    Shuffles 8 bytes a row: a contact that came once, as nearly all do, is never moved.
    """
    return keys.where(f.col(KEY).isNotNull()).groupBy(KEY).agg(f.count("*").alias("n")).where("n > 1").select(KEY)


def rank_repeated(judged: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """Order the rows of each key by arrival (=): within a month the last arrival of a usable row wins.

    A rejected row replaces nothing. Within a delivery the later line wins.

    Args:
        judged: judged rows, nothing but those of repeated keys.
        key: columns that identify a row within a month.

    Returns:
        The rows with `_place` (1 wins, NULL for rejected rows) and `_is_identical` to the winner, outcome included.
    """
    last_first = Window.partitionBy(MONTH, IS_VALID, *key).orderBy(f.desc(DELIVERY_ARRIVAL), f.desc(POSITION))
    content = [name for name in judged.columns if name not in (MONTH, POSITION, RAW, KEY, DELIVERY_ARRIVAL)]
    return (
        judged.withColumn(PLACE, f.when(f.col(IS_VALID), f.row_number().over(last_first)))
        .withColumn("_content", f.to_json(f.struct(*content)))
        .withColumn(IS_IDENTICAL, f.col("_content") == f.first("_content").over(last_first))
        .drop("_content")
    )


def rejected_contacts(unusable: DataFrame) -> DataFrame:
    """Unusable rows of contacts deliveries with their reasons (=); see `_rejected`."""
    return _rejected(unusable, "contacts", rules.contact_rules(), contract.DELIVERY_COLUMNS)


def rejected_outcomes(unusable: DataFrame) -> DataFrame:
    """Unusable rows of outcomes deliveries with their reasons (=); see `_rejected`."""
    return _rejected(unusable, "outcomes", rules.outcome_rules(), contract.OUTCOME_COLUMNS)


def _rejected(unusable: DataFrame, kind: str, of: tuple[rules.Rule, ...], columns: tuple[str, ...]) -> DataFrame:
    """Put the reasons into words.

    Returns:
        `month`, `kind`, `_text_<column>` for every delivered column (NULL for those of the other family), `line` (the
        whole line if its fields could not be told apart), `codes`, `reasons`, `delivery_arrival`, `delivery_sha256`.
    """
    facts = {FIRST_DAY: "date", LAST_DAY: "date", ARRIVAL: "int"}
    schema = ", ".join(f"`{name}` {facts.get(name, 'string')}" for name in (*columns, LINE, *PROVENANCE))
    number = f.substring(MONTH, 1, 4).cast("int") * 12 + f.substring(MONTH, 6, 2).cast("int") - 1
    # The delivered text has a column `month` of its own, beside the partition's.
    text = unusable.select(number.alias("_month"), f.from_json(RAW, schema).alias(RAW)).select("_month", f"{RAW}.*")
    fields = [
        (f.col(f"`{c}`") if c in columns else f.lit(None).cast("string")).alias(f"_text_{c}") for c in REJECTED_COLUMNS
    ]
    return text.select("*", *rules.values(columns)).select(
        f.col("_month").alias(MONTH),
        f.lit(kind).alias("kind"),
        *fields,
        f.col(LINE).alias("line"),
        rules.codes(of).alias("codes"),
        rules.sentences(of, len(columns)).alias("reasons"),
        f.col(ARRIVAL).alias(DELIVERY_ARRIVAL),
        f.col(DELIVERY).alias("delivery_sha256"),
        f.lit(True).alias(IS_UNUSABLE),
    )


def rejected_output() -> Output:
    """The table `rejected_contacts`: every reason, and every delivered field as the text that came."""
    names = {"kind": "kind"} | {name: f"_text_{name}" for name in REJECTED_COLUMNS}
    names |= {name: name for name in ("line", "codes", "reasons", DELIVERY_ARRIVAL, "delivery_sha256")}
    return Output(REJECTED, IS_UNUSABLE, names)
