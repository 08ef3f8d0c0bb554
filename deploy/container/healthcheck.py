"""Checks whether the process in this container answers; exit code 0 or 1. Used by HEALTHCHECK and `deploy.rolling`.

Usage: healthcheck.py [path [code version]]; a code version is compared with that of the answer. It checks liveness, not
readiness: a container that waits for its first model must not be restarted.
"""

import json
import os
import sys
import urllib.request


def main() -> int:
    """Ask once.

    Returns:
        0 if the answer is 200, else 1 with the reason on standard error.
    """
    port = os.environ.get("BANK_PORT") or "8000"
    path = sys.argv[1] if len(sys.argv) > 1 else "/health/live"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=4) as answer:
            wanted = sys.argv[2:3]
            is_wanted = not wanted or json.load(answer).get("code_version") == wanted[0]
            return 0 if answer.status == 200 and is_wanted else 1
    except (OSError, ValueError) as error:
        print(f"health: expected 200 from port {port}{path}, found {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
