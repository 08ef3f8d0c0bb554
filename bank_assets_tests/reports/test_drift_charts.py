import base64
import io

import matplotlib.image
import numpy as np
import pytest

from bank_assets.core.drift import DriftPolicy, compare_profiles
from bank_assets.core.drift_report import DriftStatus, Role
from bank_assets.reports.drift_charts import data_uri, drift_heatmap, markdown_image

BLANK_SHARE = 0.995


def pixels(png):
    return matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]


def effects_of(report):
    has_verdict = report.status is DriftStatus.OK
    judged = (column for column in report.columns if column.role is not Role.CALENDAR)
    return {column.column: column.effect if has_verdict else None for column in judged}


def assert_shows_something(png):
    picture = pixels(png)
    assert min(picture.shape[:2]) > 100
    assert np.mean(np.all(picture == 1, axis=2)) < BLANK_SHARE


def test_heatmap_is_redder_where_drift_is_heavier(reference, report):
    calm = compare_profiles(reference, reference)
    red, pale = (pixels(drift_heatmap(dict.fromkeys("abc", effects_of(shown)))) for shown in (report, calm))

    def strongly_red(picture):
        return np.mean((picture[..., 0] > 0.6) & (picture[..., 1] < 0.3) & (picture[..., 2] < 0.3))

    assert strongly_red(red) > strongly_red(pale) + 0.01


def test_windows_without_a_verdict_are_grey(report, reference):
    none = compare_profiles(None, reference)
    few = compare_profiles(reference, reference, DriftPolicy(minimum_rows=10_000))
    for without in (none, few):
        effects = {"a": effects_of(report), "b": effects_of(without)}
        grey = np.all(np.abs(pixels(drift_heatmap(effects)) - 0xE4 / 255) < 0.01, axis=2)
        assert np.mean(grey) > 0.1
    assert_shows_something(drift_heatmap({"a": effects_of(none)}))


def test_the_same_report_gives_the_same_bytes(report):
    assert drift_heatmap({"a": effects_of(report)}) == drift_heatmap({"a": effects_of(report)})


def test_pictures_are_embedded_whole(report):
    png = drift_heatmap({"a": effects_of(report)})
    assert base64.b64decode(data_uri(png).partition(",")[2]) == png
    assert markdown_image(png, "rate [2009]").startswith("![rate 2009](data:image/png;base64,")


def test_charts_of_nothing_are_refused():
    with pytest.raises(ValueError, match="at least one window"):
        drift_heatmap({})
