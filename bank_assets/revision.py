"""Revision of the running code, for lineage.

What lives here: one function, stdlib only. In an image the revision is a build argument; in a checkout git knows it.
Called by the training stage (lineage of a model) and the web app (recorded with each decision).
"""

import subprocess
from functools import cache
from pathlib import Path


@cache
def git_revision(built: str = "") -> str:
    """Revision of the code.

    Args:
        built: revision that an image was built from (`Settings.revision`); it wins.

    Returns:
        The revision, with `+dirty` if tracked files were changed; `unknown` outside a checkout and image.
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
