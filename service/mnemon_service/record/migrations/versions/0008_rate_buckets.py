"""Requests a second, counted for all replicas together.

Revision: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

STRING = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table of buckets."""
    op.create_table(
        "rate_buckets",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("subject", STRING, nullable=False),
        sa.Column("full_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "subject", name=op.f("pk_rate_buckets")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("rate_buckets")
