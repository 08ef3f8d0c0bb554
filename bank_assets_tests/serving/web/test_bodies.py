"""Reading a body in pieces, as servers deliver it."""

import asyncio

import pytest
from litestar import Request
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from serving.web.bodies import read_whole
from serving.web.problems import PayloadError


def read(*messages: dict, at_most: int = 10) -> tuple[bytes, list[dict]]:
    """The body, and the messages that were left unread."""
    left = list(messages)

    async def receive() -> dict:
        return left.pop(0)

    async def whole() -> bytes:
        return await read_whole(Request({"type": "http"}, receive=receive), at_most)

    return asyncio.run(whole()), left


def piece(body: bytes, more: bool = True) -> dict:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    ("messages", "whole"),
    [
        ((piece(b"", False),), b""),
        ((piece(b"0123456789", False),), b"0123456789"),
        ((piece(b"ab"), piece(b""), piece(b"cd", False)), b"abcd"),
        ((piece(b"ab"), piece(b"", False)), b"ab"),
    ],
)
def test_pieces_make_the_whole(messages, whole):
    following = piece(b"the next request's", False)
    assert read(*messages, following) == (whole, [following])


def test_a_body_that_is_too_long_is_not_read_to_its_end():
    with pytest.raises(RequestEntityTooLarge):
        read(piece(b"01234"), piece(b"567890"), at_most=10)


def test_a_client_that_hangs_up_is_no_fault_of_the_server():
    with pytest.raises(PayloadError, match="the connection closed"):
        read(piece(b"01"), {"type": "http.disconnect"})
