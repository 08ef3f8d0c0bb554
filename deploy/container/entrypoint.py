"""Entrypoint of both images: secrets arrive as files, programs read their environment.

`NAME_FILE=/run/secrets/x` becomes `NAME=<content of x>`, then the command replaces this process. The official
PostgreSQL and MySQL images use the same convention. Only files below BANK_SECRETS (default /run/secrets) are read.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

SUFFIX = "_FILE"


class SecretError(ValueError):
    """A secret cannot be used; the message says what was expected and found, never the secret."""


def with_secrets(env: Mapping[str, str]) -> dict[str, str]:
    """The environment with secret files read.

    Args:
        env: the environment that the container was given.

    Returns:
        A copy: each `NAME_FILE` that points below the secrets folder is replaced by `NAME`.

    Raises:
        SecretError: a file is missing, empty or unreadable, or a secret is given twice.
    """
    folder = Path(env.get("BANK_SECRETS") or "/run/secrets")
    made = dict(env)
    for name, value in env.items():
        if not name.endswith(SUFFIX) or folder not in Path(value).parents:
            continue
        target = name.removesuffix(SUFFIX)
        if target in env:
            raise SecretError(f"{target}: expected it once, found it and {name}; remove one of them.")
        try:
            content = Path(value).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SecretError(
                f"{name}: expected a readable secret, found {error.strerror} at {value}; `make secrets` writes them, "
                "readable for the user of the container."
            ) from error
        if not content:
            raise SecretError(f"{name}: expected a secret, found an empty file at {value}.")
        del made[name]
        made[target] = content
    return made


def main() -> None:
    """Replace this process by the command; never returns."""
    if len(sys.argv) < 2:
        sys.exit("entrypoint: expected a command, found none.")
    try:
        env = with_secrets(os.environ)
    except SecretError as error:
        sys.exit(f"entrypoint: {error}")
    try:
        os.execvpe(sys.argv[1], sys.argv[1:], env)
    except OSError as error:
        sys.exit(f"entrypoint: expected to run {sys.argv[1]}, found {error.strerror}.")


if __name__ == "__main__":
    main()
