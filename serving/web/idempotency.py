"""`Idempotency-Key`: a repeated POST gets the answer to the first one, and nothing is recorded twice.

It follows the IETF draft (draft-ietf-httpapi-idempotency-key-header): the same key with another request is 422, and
while the first request is being answered, 409. Answers of 2xx are kept for `KEPT`, per user or API key; other answers
recorded nothing and free the key, and so does a batch that breaks off, since its repetition must get on. Requests
without the header do not come here.

A form of a page has the key in its hidden field `FIELD` (`ui.once()` in templates), new whenever it is shown. Here the
key stands for the form with its values, so a changed form is another request. A second click waits for the answer
to the first one, and redirects are kept as well.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import tempfile
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bank_assets.ledger import idempotency
from serving.web.problems import ConflictError, FieldError, PayloadError

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Send

HEADER: Final = b"idempotency-key"
FIELD: Final = "_once"
FORM: Final = b"application/x-www-form-urlencoded"  # forms with a file are keyed by the content of the file
LONGEST_KEY: Final = 255
NOT_RECORDED: Final = ("/plan", "/replay", "/what-if")  # what they answer is on no record, and can be large
# Longer bodies are refused by every route, so they record nothing.
LARGEST_BODY: Final = 100_000_000
PRUNE_SECONDS: Final = 3_600.0
_IN_MEMORY: Final = 2_000_000
_PART: Final = 65_536
_FORM_BYTES: Final = 1_000_000  # of a form; the app refuses longer ones
_WAITED: Final = 30.0  # s that a second click waits for the answer to the first one
_ONCE: Final = 64  # characters of a form's key
_LOOK: Final = 0.05  # s between two looks
Answer = dict[str, Any]  # headers, packed body and route


def is_under_key(scope: HTTPScope, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request is one that may bring a key: by its header to the API, by a field in a form of a page."""
    if scope["method"] != "POST" or scope["path"].endswith(NOT_RECORDED):
        return False
    return HEADER in headers if _is_of_api(scope) else headers.get(b"content-type", b"").startswith(FORM)


def _is_of_api(scope: HTTPScope) -> bool:
    return scope["path"].startswith("/api/")


async def prune_for_ever(engine: Engine) -> None:
    """Remove answers that are kept no longer, once an hour, until cancelled."""
    while True:
        with suppress(SQLAlchemyError):
            await asyncio.to_thread(idempotency.prune, engine)
        await asyncio.sleep(PRUNE_SECONDS)


async def answer_once(app: ASGIApp, scope: HTTPScope, receive: Receive, send: Send, engine: Engine) -> None:
    """Answer a POST under its key. What must be refused becomes the admission's refusal, as in the envelope."""
    admission = scope["bank"]  # type: ignore[typeddict-item]
    if admission.refusal is not None or admission.identity is None:
        await app(scope, receive, send)
        return
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        again, request_hash = await _read_body(scope, receive, file)
        try:
            name = _name(dict(scope["headers"])[HEADER]) if _is_of_api(scope) else _name_in_form(file, request_hash)
            claim = _Key(engine, admission.identity.name, name, "Idempotency-Key" if _is_of_api(scope) else "form")
            kept = await claim.claim(request_hash) if name else None
        except (PayloadError, ConflictError, SQLAlchemyError) as error:
            admission.refusal = error
            await app(scope, again, send)
            return
        if not name:
            await app(scope, again, send)
        elif kept is None:
            await _answer(app, scope, again, send, claim)
        else:
            await _send(*kept, scope, send, ((b"idempotency-replayed", b"true"),))


def _name_in_form(file: IO[bytes], request_hash: str) -> str:
    """The key of a form with its values; "" if it has none."""
    once = parse_qs(file.read(_FORM_BYTES).decode("latin-1")).get(FIELD, [""])[0]
    file.seek(0)
    return f"{once[:_ONCE]}:{request_hash}" if once else ""


def _name(key: bytes) -> str:
    name = key.decode("latin-1").strip().strip('"')
    if not 0 < len(name) <= LONGEST_KEY or not name.isprintable():
        expected = f"1 to {LONGEST_KEY} visible characters"
        raise PayloadError(FieldError("Idempotency-Key", expected, repr(name[:60])))
    return name


class _Key:
    """A key of a caller; `of` says in errors whether a program or a form sent it."""

    def __init__(self, engine: Engine, actor: str, name: str, of: str) -> None:
        self._of = engine, actor, name
        self._says = of

    async def claim(self, request_hash: str) -> tuple[int, Answer] | None:
        """Claim it: None if this is its first request, else the answer to that one; a form waits for it."""
        until = time.monotonic() + (_WAITED if self._says == "form" else 0.0)
        found = await asyncio.to_thread(idempotency.claim, *self._of, request_hash)
        while found is not None and found.status is None and time.monotonic() < until:
            await asyncio.sleep(_LOOK)
            found = await asyncio.to_thread(idempotency.claim, *self._of, request_hash)
        if found is None:
            return None
        if found.request_hash != request_hash:
            expected = "the request that it was first sent with, or a new key"
            raise PayloadError(FieldError("Idempotency-Key", expected, "another address or body"))
        if found.status is not None and found.answer is None:
            raise ConflictError(
                f"{self._says}: expected a kept answer, found that it named somebody whose data was erased since; do "
                "not send it again, because the first request is on record."
            )
        if found.status is None or found.answer is None:
            raise ConflictError(
                f"{self._says}: expected that the first request with this key was answered, found that it still runs; "
                "repeat yours in a moment."
            )
        return found.status, found.answer

    async def keep(self, status: int, answer: Answer) -> None:
        await asyncio.to_thread(idempotency.keep, *self._of, status, answer)

    async def release(self) -> None:
        # If the ledger cannot be written, the key is free again after some minutes.
        with suppress(SQLAlchemyError):
            await asyncio.to_thread(idempotency.release, *self._of)


async def _read_body(scope: HTTPScope, receive: Receive, file: IO[bytes]) -> tuple[Receive, str]:
    """Read a body into a file; returns how to read it again, and a digest over address, type and body."""
    headers = dict(scope["headers"])
    sent_as = headers.get(b"content-type", b"") + headers.get(b"hx-request", b"")  # htmx is answered by a part
    address = (scope["path"].encode(), scope["query_string"], sent_as)
    digest, length, is_more = hashlib.sha256(b"\n".join(address) + b"\n"), 0, True
    while is_more and length <= LARGEST_BODY:
        message: Any = await receive()
        if message["type"] != "http.request":
            break  # the client hung up: the route gets what came, and then asks on
        digest.update(message["body"])
        file.write(message["body"])
        length, is_more = length + len(message["body"]), message.get("more_body", False)
    file.seek(0)
    is_at_end = False

    async def again() -> Any:
        nonlocal is_at_end
        part = b"" if is_at_end else file.read(_PART)
        if is_at_end or not (part or not is_more):
            return await receive()
        is_at_end = not is_more and file.tell() == length
        return {"type": "http.request", "body": part, "more_body": not is_at_end}

    return again, digest.hexdigest()


async def _answer(app: ASGIApp, scope: HTTPScope, receive: Receive, send: Send, key: _Key) -> None:
    """Answer the first request: a success leaves once it is kept, anything else at once."""
    success, admission = None, scope["bank"]  # type: ignore[typeddict-item]
    packer, packed = zlib.compressobj(), bytearray()

    async def hold(message: Any) -> None:
        nonlocal success
        if message["type"] == "http.response.start" and 200 <= message["status"] < 400:
            success = message
            return
        if success is None or message["type"] == "http.response.start":
            await send(message)
            return
        packed.extend(packer.compress(message.get("body", b"")))
        if message.get("more_body"):
            return
        packed.extend(packer.flush())
        kept = {
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in success["headers"]],
            "body": base64.b64encode(packed).decode("ascii"),
            "route": scope.get("path_template", ""),
        }
        if not admission.is_broken_off:
            await key.keep(success["status"], kept)
        await _send(success["status"], kept, scope, send)

    try:
        await app(scope, receive, hold)
    finally:
        # After a success that could not be kept, a repetition must not record it again: the key stays claimed a while.
        if success is None or admission.is_broken_off:
            await key.release()


async def _send(
    status: int, kept: Answer, scope: HTTPScope, send: Send, more: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    scope["path_template"] = kept["route"]
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept["headers"]]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
    unpacker, rest = zlib.decompressobj(), base64.b64decode(kept["body"])
    while not unpacker.eof:
        body = unpacker.decompress(rest, _PART)
        rest = unpacker.unconsumed_tail
        await send({"type": "http.response.body", "body": body, "more_body": not unpacker.eof})
