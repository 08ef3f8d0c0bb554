"""Signatures of webhooks: the specification's own example, rotation, and everything that is refused."""

import pytest

from bank_assets.store.standard_webhooks import SignatureError, signed, verified

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "A" * 32
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'


def test_the_signature_is_that_of_the_specification():
    assert signed([SECRET], ID, AT, BODY)["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_keys_are_rotated_without_a_lost_message():
    assert verified([SECRET], signed([OTHER, SECRET], ID, AT, BODY), BODY, AT) == ID
    assert verified([OTHER, SECRET], signed([SECRET], ID, AT, BODY), BODY, AT + 299.5) == ID


@pytest.mark.parametrize(
    ("headers", "body", "now", "why"),
    [
        ({}, b'{"test": 2432232315}', AT, "found none"),
        ({}, BODY, AT + 301, "within 300 s of now"),
        ({}, BODY, AT - 301, "within 300 s of now"),
        ({"webhook-id": "msg_2"}, BODY, AT, "found none"),
        ({"webhook-timestamp": str(AT + 1)}, BODY, AT, "found none"),
        ({"webhook-signature": "v1,é v2,x nothing"}, BODY, AT, "found none"),
        ({"webhook-id": ""}, BODY, AT, "expected the headers"),
        ({"webhook-timestamp": "١"}, BODY, AT, "expected the headers"),
    ],
)
def test_a_message_is_refused(headers, body, now, why):
    with pytest.raises(SignatureError, match=why):
        verified([SECRET], signed([SECRET], ID, AT, BODY) | headers, body, now)


def test_a_message_of_an_old_key_is_refused():
    with pytest.raises(SignatureError, match="known key"):
        verified([OTHER], signed([SECRET], ID, AT, BODY), BODY, AT)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%", "hunter2"])
def test_a_secret_that_can_be_guessed_is_refused_without_quoting_it(secret):
    with pytest.raises(SignatureError) as error:
        signed([secret], ID, AT, BODY)
    assert "hunter2" not in str(error.value)
