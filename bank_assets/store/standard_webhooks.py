"""Signatures of webhooks by the Standard Webhooks specification: of those that arrive and of those that are sent.

A signature covers id, time and bytes of a message. Several secrets sign and verify side by side while keys are rotated.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

PREFIX: Final = "whsec_"
TOLERANCE_SECONDS: Final = 300  # a message that is older or newer may be a replay
SHORTEST_KEY: Final = 24  # bytes, by the specification
_MOST_DIGITS: Final = 20  # Python reads no number of thousands of digits
ID, TIME, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


class SignatureError(ValueError):
    """A secret is unusable or a message is not signed as it should be; the message quotes neither."""


def key_of(secret: str) -> bytes:
    """The key of a secret `whsec_<base64>`."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) < SHORTEST_KEY:
        raise SignatureError(
            f"webhook secret: expected {PREFIX} and at least {SHORTEST_KEY} bytes in base64, found another text; make "
            "one with: python -c 'import base64, os; print(\"whsec_\" + base64.b64encode(os.urandom(32)).decode())'"
        )
    return key


def signed(secrets: Sequence[str], message_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of a message; `at` is its time in Unix seconds."""
    signatures = " ".join(f"v1,{_signature(key_of(secret), message_id, str(at), body)}" for secret in secrets)
    return {ID: message_id, TIME: str(at), SIGNATURE: signatures}


def verified(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> str:
    """The id of a message whose headers (names in lower case) carry a signature by one of the secrets.

    Raises:
        SignatureError: a header is missing, the time is more than five minutes off, or no signature fits.
    """
    message_id, at = headers.get(ID, ""), headers.get(TIME, "")
    if not message_id or not at.isascii() or not at.isdigit() or len(at) > _MOST_DIGITS:
        raise SignatureError(f"webhook: expected the headers {ID}, {TIME} (Unix seconds) and {SIGNATURE}; sign it.")
    if abs(now - int(at)) > TOLERANCE_SECONDS:
        raise SignatureError(
            f"webhook: expected {TIME} within {TOLERANCE_SECONDS} s of now, found {now - int(at):+.0f} s; send it anew."
        )
    given = [
        part.removeprefix("v1,").encode("latin-1", "replace")
        for part in headers.get(SIGNATURE, "").split()
        if part.startswith("v1,")
    ]
    expected = [_signature(key_of(secret), message_id, at, body).encode() for secret in secrets]
    if not any(hmac.compare_digest(one, other) for one in expected for other in given):
        raise SignatureError(f"webhook: expected a signature of these bytes by a known key in {SIGNATURE}, found none.")
    return message_id


def _signature(key: bytes, message_id: str, at: str, body: bytes) -> str:
    text = b".".join((message_id.encode(), at.encode(), body))
    return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
