"""Makes the next release of this tree: its code with one more schema revision, in a folder of its own.

Tests of rolling and migrations need two versions. Making the new one from this tree keeps both current.
"""

import re
import shutil
from pathlib import Path

from bank_assets.ledger import migrations

ROOT = Path(__file__).resolve().parents[2]
NEXT = f"{int(migrations.HEAD) + 1:04d}"

ADDS = """
def upgrade() -> None:
    op.add_column("decisions", sa.Column("channel", sa.Text))
    op.create_table("releases", sa.Column("name", sa.Text, primary_key=True))
    op.create_index("sessions_expiry", "sessions", ["expires_at"])
"""
"""A revision that only adds, which older code does not notice."""


def revision_file(number: int, body: str = ADDS) -> str:
    """The text of a migration that follows the one before."""
    head = f'revision = "{number:04d}"\ndown_revision = "{number - 1:04d}"\nbranch_labels = depends_on = None\n'
    return f'"""Made by a test."""\nimport sqlalchemy as sa\nfrom alembic import op\n{head}{body}'


def next_release(folder: Path, body: str = ADDS, *, steps: int = 1) -> Path:
    """Copy the code that serves, and move its schema `steps` revisions further.

    Args:
        folder: made here; the release's root, to be put on PYTHONPATH.
        body: the `upgrade` function of the first new revision; later ones do nothing.
        steps: revisions.

    Returns:
        The folder.
    """
    for name in ("bank_assets", "serving", "templates"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    home = folder / "bank_assets" / "ledger" / "migrations"
    first = int(migrations.HEAD) + 1
    for number in range(first, first + steps):
        text = revision_file(number, body if number == first else "\ndef upgrade() -> None:\n    pass\n")
        (home / "versions" / f"v{number:04d}_next.py").write_text(text)
    init = home / "__init__.py"
    changed = re.sub(r'HEAD: Final = "\d+"', f'HEAD: Final = "{first + steps - 1:04d}"', init.read_text())
    init.write_text(changed)
    return folder
