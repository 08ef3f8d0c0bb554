"""Charts as SVG: marks lie where the values are, every value can be read, nothing is unescaped or needs a script."""

import re
from xml.etree import ElementTree as ET

import pytest

from bank_assets.reports.charts import LEFT, PLOT, SPAN, Chart, Marker, Series, pair_of_bars, ticks
from bank_assets.reports.replay_charts import picture

X = ["a", "b", "c", "d"]


def chart(*series, x=X, **options):
    return Chart("name", "a <title>", "x & y", "<y>", x, series, **options)


def drawn(*series, **options):
    return ET.fromstring(chart(*series, **options).drawing)


def paths(svg):
    return [path.attrib["d"] for path in svg.iter("path")]


def points(path):
    return [tuple(map(float, pair)) for pair in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path)]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.41, 0.55), (-3_000, 120_000), (5, 5), (0, 1e-7)])
def test_ticks_are_round_few_and_cover_the_range(low, high):
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high - 1e-8
    assert 2 <= len(found) <= 8
    assert len(set(found)) == len(found)


def test_a_line_passes_through_its_values():
    values = [0.0, 25.0, 100.0, 50.0]
    (line,) = paths(drawn(Series("s", values)))
    assert [y for _, y in points(line)] == pytest.approx([PLOT * (1 - value / 100) for value in values], abs=0.06)
    assert [x for x, _ in points(line)] == pytest.approx(
        [LEFT + (SPAN - LEFT) * (at + 0.5) / 4 for at in range(4)], abs=0.06
    )


def test_days_are_spaced_by_the_calendar_and_numbers_by_their_size():
    (by_day,) = paths(drawn(Series("s", [1, 2, 3]), x=["2009-01-01", "2009-01-02", "2009-01-11"], x_format="day"))
    (by_size,) = paths(drawn(Series("s", [1, 2, 3]), x=[0.0, 0.1, 1.0], x_format="pct"))
    assert [x for x, _ in points(by_day)] == [x for x, _ in points(by_size)] == [LEFT, LEFT + (SPAN - LEFT) / 10, SPAN]


def test_a_gap_parts_a_line_and_a_lonely_point_is_a_dot():
    first, dot = paths(drawn(Series("s", [1, 2, None, 3])))
    assert len(points(first)) == 2
    assert dot.endswith("h0")
    assert len(points(dot)) == 1


def test_an_interval_is_a_band_around_a_line_and_a_stroke_through_a_dot():
    low, high = [0, 1, None, 0], [4, 3, None, 2]
    band, last, *_ = paths(drawn(Series("s", [2, 2, None, 1], low, high)))
    assert [y for _, y in points(band)] == pytest.approx([PLOT, 0.75 * PLOT, 0.25 * PLOT, 0])
    assert len(points(last)) == 2
    strokes, dots = paths(drawn(Series("s", [2, 2, None, 1], low, high, "dots")))
    assert (strokes.count("V"), dots.count("h0")) == (3, 3)


def test_bars_stand_side_by_side_on_zero():
    first, second = paths(drawn(Series("a", [1, 2, 3, 4], style="bars"), Series("b", [2, 2, 2, 2], style="bars")))
    left, right = points(first)[0][0], points(second)[0][0]
    assert right - left == pytest.approx((SPAN - LEFT) / 4 * 0.4)
    assert {y for _, y in points(first)} == {PLOT}


def test_each_value_is_shown_on_hover():
    svg = drawn(Series("<s>", [0.5, None, 0.25, 1], [0.4, None, 0.2, 1], [0.6, None, 0.3, 1]), y_format="pct")
    assert [title.text for title in svg.iter("title")] == [
        "a\n<s>: 50.0 % (40.0 % to 60.0 %)",
        "b",
        "c\n<s>: 25.0 % (20.0 % to 30.0 %)",
        "d\n<s>: 100.0 % (100.0 % to 100.0 %)",
    ]


def test_rows_have_names_in_place_of_numbers():
    found = chart(Series("fit", [1, None, 1, None]), Series("alert", [None, 0, None, None]), rows=("alert", "fit"))
    assert (found.write_y(1), found.write_y(None)) == ("fit", "")
    assert {"alert", "fit"} <= {text.text for text in ET.fromstring(found.drawing).iter("text")}


def test_words_are_escaped_and_stay_inside():
    svg = drawn(Series("s", [1, 2, 3, 4]), markers=[Marker(3, "<plan>")], x=[0, 1, 2, 4], x_format="count")
    texts = {text.text: text.attrib for text in svg.iter("text")}
    assert {"<plan>", "x & y →", "<y> ↑"} <= set(texts)
    assert texts["0"]["text-anchor"] == "middle"
    assert texts["4"]["text-anchor"] == "end"
    assert svg.attrib["aria-label"] == "a <title>"


def test_a_drawing_needs_neither_script_nor_inline_style():
    text = chart(Series("a", [1, 2, 3, 4]), Series("b", [1, 2, 3, 4], style="reference")).drawing
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|href|url\(", text)


def test_lines_differ_by_dash_and_colour_up_to_the_twelfth():
    keys = [re.sub(r"\s+", " ", key) for key, _ in chart(*(Series(f"{n}", [1, 2, 3, 4]) for n in range(12))).legend]
    assert len(set(keys)) == 12


def test_nothing_to_draw_is_nothing_and_one_value_is_drawn():
    assert chart(Series("a", [None] * 4)).drawing == ""
    assert chart(Series("a", []), x=[]).drawing == ""
    assert paths(drawn(Series("one", [3]), x=[3], x_format="number"))


def test_bars_of_a_table_keep_their_proportion():
    rects = list(ET.fromstring(pair_of_bars(0.1, 0.4, 0.4)).iter("rect"))
    assert [rect.attrib["width"] for rect in rects] == ["25.0%", "100.0%"]
    assert pair_of_bars(0, 0, 0).count('width="0.0%"') == 2


def test_a_picture_is_one_file_with_titles_legends_and_dark_colours():
    root = ET.fromstring(picture([chart(Series("<s>", [1, 2, 3, 4])), chart(Series("t", [1, 2, 3, 4]))]))
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("a <title>") == 2
    assert {"<s>", "t"} <= set(texts)
    assert "prefers-color-scheme: dark" in root[0].text
