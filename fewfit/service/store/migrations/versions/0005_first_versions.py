"""A first version for datasets from before they had any."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Gives each dataset without versions the one that it was uploaded as."""
    op.execute(
        "INSERT INTO dataset_versions (dataset_id, number, note, user_id, created_at) "
        "SELECT id, 1, 'Uploaded', owner_id, created_at FROM datasets "
        "WHERE id NOT IN (SELECT dataset_id FROM dataset_versions)"
    )
