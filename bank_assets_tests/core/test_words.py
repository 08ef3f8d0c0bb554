"""Numbers as sentences write them."""

import pytest

from bank_assets.core.words import whole


@pytest.mark.parametrize(
    ("amount", "text"), [(1_234.6, "1,235"), (-1_234.6, "−1,235"), (-0.4, "0"), (0.4, "0"), (-0.6, "−1")]
)
def test_whole_numbers_have_the_sign_of_pages_and_no_negative_zero(amount, text):
    assert whole(amount) == text
