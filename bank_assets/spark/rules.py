"""What makes a delivered row unusable: one rule per column, built from the contract, each with a code and a sentence.

What lives here: column expressions over string columns: valid or not, the typed value, the reasons in words.
What must not: any bound or category of its own (`bank_assets.contract` has them), reading or writing.
Called by `bank_assets.spark.tables`.

No Python function runs per row. Parsing happens once, in `values`; the rules compare. The sentences are made later and
of unusable rows alone: within the parsing pass their code made its loop too long for the JVM's compiler, and the whole
pass five times slower.
"""

from dataclasses import dataclass
from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as f

from bank_assets import contract
from bank_assets.contract import Kind
from bank_assets.spark.delivery import DELIMITER, FIRST_DAY, LAST_DAY, LINE

OPTIONAL: Final = ("y", "duration")
"""Fields that may be empty: the outcome is not known yet."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to reject a row.

    Attributes:
        code: `<column>.<problem>`, stable, free of values.
        is_kept: True where the row satisfies the rule; False or NULL where it does not.
        expected: what the contract asks for, in words.
        found: the offending text.
    """

    code: str
    is_kept: Column
    expected: str | Column
    found: Column

    def reason(self) -> Column:
        """The sentence of a broken rule: `age: expected an integer from 16 to 120, found "abc"`."""
        expected = f.lit(self.expected) if isinstance(self.expected, str) else self.expected
        found = f.coalesce(f.concat(f.lit('"'), self.found, f.lit('"')), f.lit("nothing"))
        return f.concat(f.lit(f"{self.code.split('.')[0]}: expected "), expected, f.lit(", found "), found)


def value_name(name: str) -> str:
    """Name of the column that holds the parsed value of a delivered integer or date."""
    return f"_value_{name}"


def text(name: str) -> Column:
    """A delivered field; empty is NULL."""
    return f.nullif(f.col(f"`{name}`"), f.lit(""))


def values(names: tuple[str, ...]) -> list[Column]:
    """Parsed values of the integer and date columns among `names`; NULL where a field is none, each parsed once.

    An integer column holds any integer, in range or not. A date column holds a day the register accepted for this
    delivery, written exactly YYYY-MM-DD (an outcome's time of day is dropped).
    """
    parsed = []
    for name in names:
        column = contract.BY_SOURCE.get(name)
        if column is None or column.kind is Kind.DATE:
            parsed.append(_usable_day(name).alias(value_name(name)))
        elif column.kind is Kind.INTEGER:
            parsed.append(f.col(f"`{name}`").try_cast("int").alias(value_name(name)))
    return parsed


def _usable_day(name: str) -> Column:
    head = f.substring(f.trim(f.col(f"`{name}`")), 1, 10)
    day = head.try_cast("date")
    # The cast alone also takes 2008-5-5 and 2008.
    return f.when((day.cast("string") == head) & day.between(f.col(FIRST_DAY), f.col(LAST_DAY)), day)


def column_rule(column: contract.Column) -> Rule:
    """The rule of one integer, category, yes/no or text column."""
    name, found = column.source, f.col(f"`{column.source}`")
    if column.minimum is not None and column.maximum is not None:
        is_kept = f.col(value_name(name)).between(column.minimum, column.maximum)
        expected, code = f"an integer from {column.minimum} to {column.maximum}", f"{name}.not_an_integer_in_range"
    elif column.categories:
        is_kept = found.isin(*column.categories)
        expected, code = "one of " + ", ".join(column.categories), f"{name}.not_a_known_value"
    else:
        expected, is_kept, code = "a value", text(name).isNotNull(), f"{name}.missing"
    if name in OPTIONAL:
        expected, is_kept = f"{expected}, or nothing", text(name).isNull() | is_kept
    return Rule(code, is_kept, expected, text(name))


def date_rule(name: str, *, with_time: bool) -> Rule:
    """The rule of a delivery's date column."""
    is_kept = f.col(value_name(name)).isNotNull()
    if not with_time:
        is_kept = is_kept & (f.length(f.trim(f.col(name))) == 10)
    expected = f.concat(
        f.lit(f"a day YYYY-MM-DD from {contract.FIRST_CONTACT_MONTH}-01 to the delivery's own arrival (usable here: "),
        f.col(FIRST_DAY).cast("string"),
        f.lit(" to "),
        f.col(LAST_DAY).cast("string"),
        f.lit(")"),
    )
    return Rule(f"{name}.not_a_usable_day", is_kept, expected, text(name))


def _calendar_rules() -> tuple[Rule, Rule]:
    """`day` and `month` repeat what `contact_date` says; a row that contradicts itself is not believed."""
    date = f.col(value_name("contact_date"))
    month = f.element_at(f.array(*[f.lit(name) for name in contract.MONTHS]), f.month(date))
    # A broken date, day or month is already a reason of its own, so NULL keeps these two.
    day_agrees = f.coalesce(f.dayofmonth(date) == f.col(value_name("day")), f.lit(True))
    # The guard is needed: Spark takes element_at of a literal array for never NULL, and a NULL month would disagree.
    month_agrees = date.isNull() | f.coalesce(month == text("month"), f.lit(True))
    stated = f.concat(f.lit("the day of contact_date "), date.cast("string"))
    return (
        Rule("day.contradicts_contact_date", day_agrees, stated, text("day")),
        Rule("month.contradicts_contact_date", month_agrees, f.concat(f.lit("the month of "), stated), text("month")),
    )


def contact_rules() -> tuple[Rule, ...]:
    """Rules of a contacts delivery, in column order."""
    columns = [column_rule(c) for c in contract.COLUMNS if c.kind is not Kind.DATE]
    return (*columns, date_rule("contact_date", with_time=False), *_calendar_rules())


def outcome_rules() -> tuple[Rule, ...]:
    """Rules of an outcomes delivery: an outcome without `y` says nothing."""
    by_name = contract.BY_SOURCE
    columns = (column_rule(by_name["contact_id"]), column_rule(by_name["y"]), column_rule(by_name["duration"]))
    given = Rule("y.missing", text("y").isNotNull(), "one of no, yes", text("y"))
    return (*columns, given, date_rule("arrived_at", with_time=True))


def is_valid(rules: tuple[Rule, ...]) -> Column:
    """True where the line has the right number of fields and keeps every rule; never NULL."""
    kept = f.col(LINE).isNull()
    for rule in rules:
        kept = kept & rule.is_kept
    return f.coalesce(kept, f.lit(False))


def _per_broken(rules: tuple[Rule, ...], field_count: Column, of_rule: list[Column]) -> Column:
    """`field_count` alone for a line that does not fit the header, else one item per broken rule."""
    items = [f.when(~f.coalesce(rule.is_kept, f.lit(False)), item) for rule, item in zip(rules, of_rule, strict=True)]
    return f.when(f.col(LINE).isNotNull(), f.array(field_count)).otherwise(f.array_compact(f.array(*items)))


def codes(rules: tuple[Rule, ...]) -> Column:
    """Codes of the broken rules, array<string>."""
    return _per_broken(rules, f.lit("row.field_count"), [f.lit(rule.code) for rule in rules])


def sentences(rules: tuple[Rule, ...], n_fields: int) -> Column:
    """Sentences of the broken rules, array<string>, in the order of `codes`."""
    bare = f.regexp_replace(f.col(LINE), '"[^"]*"', "")  # delimiters inside quotes do not count
    found = f.size(f.split(bare, f.col(DELIMITER)))
    field_count = f.concat(f.lit(f"row: expected {n_fields} fields, found "), found.cast("string"))
    return _per_broken(rules, field_count, [rule.reason() for rule in rules])
