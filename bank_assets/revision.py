"""Revision of the running code, for the lineage of models and decisions."""

import subprocess
from functools import cache
from pathlib import Path


@cache
def git_revision(built: str = "") -> str:
    """Revision of the code: `built` (`Settings.revision`) in an image, otherwise what git says.

    The suffix `+dirty` marks changed tracked files; the result is `unknown` outside a checkout and image.
    """
    if built:
        return built
    root = Path(__file__).resolve().parents[1]
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty=+dirty", "--abbrev=12"],  # noqa: S607
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
