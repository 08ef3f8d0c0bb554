"""A closed-loop HTTP client in its own process, used by `benchmarks.serving`.

It uses raw sockets and kept connections, so that it costs a fraction of any server that it measures.
Usage: python -m benchmarks.serving_load '{"port": 8000, "path": "/", "body": "...", "connections": 8, "seconds": 5}'
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import uvloop


async def _client(request: bytes, port: int, until: float, seconds: list[float], failures: list[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - started)
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
            failures.append(head.split(b"\r\n", 1)[0].decode())
    writer.close()


async def measure(requested: dict[str, Any]) -> dict[str, Any]:
    """Requests per second and latencies of one closed loop."""
    body = requested["body"].encode()
    head = (
        f"POST {requested['path']} HTTP/1.1\r\nHost: 127.0.0.1:{requested['port']}\r\n"
        f"Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    seconds: list[float] = []
    failures: list[str] = []
    started = time.perf_counter()
    until = started + requested["seconds"]
    clients = (
        _client(head.encode() + body, requested["port"], until, seconds, failures)
        for _ in range(requested["connections"])
    )
    await asyncio.gather(*clients)
    elapsed = time.perf_counter() - started
    seconds.sort()
    return {
        "requests_per_second": len(seconds) / elapsed,
        "p50_ms": seconds[len(seconds) // 2] * 1e3,
        "p99_ms": seconds[int(len(seconds) * 0.99)] * 1e3,
        "failed": len(failures),
        "first_failure": failures[0] if failures else "",
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(json.loads(sys.argv[1])))))
