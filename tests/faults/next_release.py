"""A release to come: the program as it is, with one more migration of tables that are in use."""

import shutil
from pathlib import Path

from tidings.store import migrations
from tidings.store.migrations import REVISIONS

REVISION = "9001"

_MIGRATION = f'''"""More room in tables that are in use."""

import sqlalchemy as sa
from alembic import op

revision = "{REVISION}"
down_revision = "{REVISIONS[-1]}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("users", "addresses", "events", "notifications", "deliveries", "attempts"):
        op.add_column(table, sa.Column("later", sa.Text))
    op.create_table("later", sa.Column("id", sa.Text, primary_key=True))
'''


def make_release(folder: Path) -> Path:
    """The release as a folder for PYTHONPATH."""
    package = Path(migrations.__file__).parents[2]
    # with its bytecode, or each of its processes would compile it
    passing = shutil.ignore_patterns("*.pyc.*")
    shutil.copytree(package, folder / "tidings", ignore=passing)
    home = folder / "tidings/store/migrations"
    (home / "versions" / f"{REVISION}_later.py").write_text(_MIGRATION)
    known = home / "migrate.py"
    text = known.read_text()
    line = next(line for line in text.splitlines() if line.startswith("REVISIONS = "))
    known.write_text(text.replace(line, f'{line} + ("{REVISION}",)'))
    return folder
