"""Charts as SVG: well formed, within their frame, with everything escaped."""

from xml.etree import ElementTree as ET

import pytest

from bank_assets.reports.svg import HEIGHT, WIDTH, Line, legend, line_chart, pair_of_bars, ticks


def drawn(*lines, **options):
    text = line_chart("a <title>", lines, x_name="x", y_name="<y>", y_text=lambda value: f"{value:g}", **options)
    return ET.fromstring(text)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.41, 0.55), (-3_000, 120_000), (5, 5), (0, 1e-7)])
def test_ticks_are_round_few_and_cover_the_range(low, high):
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high - 1e-8
    assert 1 <= len(found) <= 8
    assert len(set(found)) == len(found)


def test_a_chart_stays_in_its_frame_and_its_words_are_escaped():
    svg = drawn(
        Line("now", "now", [(0, 0.1), (1, 0.4), (2, 0.2)], [0.05, 0.3, 0.1], [0.2, 0.5, 0.3], has_dots=True),
        Line("before", "before", [(0, 0.2), (2, 0.2)]),
        x_marks=[(0, "<a>"), (2, "b"), (9, "outside")],
    )
    assert svg.attrib["aria-label"] == "a <title>"
    texts = [one.text for one in svg.iter("text")]
    assert "<a>" in texts
    assert "outside" not in texts
    for circle in svg.iter("circle"):
        assert 0 <= float(circle.attrib["cx"]) <= WIDTH
        assert 0 <= float(circle.attrib["cy"]) <= HEIGHT
    dashed = [path for path in svg.iter("path") if "stroke-dasharray" in path.attrib]
    assert len(dashed) == 1


def test_higher_values_are_drawn_higher():
    svg = drawn(Line("now", "now", [(0, 1), (1, 2)], has_dots=True))
    first, second = (float(circle.attrib["cy"]) for circle in svg.iter("circle"))
    assert second < first


def test_nothing_to_draw_is_nothing():
    assert line_chart("t", [Line("a", "now", [])], x_name="", y_name="", y_text=str) == ""
    assert legend([Line("a", "now", [])]) == ""
    assert drawn(Line("one point", "now", [(3, 3)])) is not None


def test_bars_keep_their_proportion():
    rects = list(ET.fromstring(pair_of_bars(0.1, 0.4, 0.4)).iter("rect"))
    widths = [float(rect.attrib["width"]) for rect in rects]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)
    assert pair_of_bars(0, 0, 0).count('width="0.0"') == 2


def test_legend_is_escaped():
    assert "&lt;b&gt;" in legend([Line("<b>", "guide", [(0, 0)])])
