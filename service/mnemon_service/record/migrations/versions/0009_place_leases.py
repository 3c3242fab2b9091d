"""Calls and streams at once, counted for all replicas together.

Revision: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

STRING = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table of leases."""
    op.create_table(
        "place_leases",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("subject", STRING, nullable=False),
        sa.Column("kind", STRING, nullable=False),
        sa.Column("replica", STRING, nullable=False),
        sa.Column("places", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "subject", "kind", "replica", name=op.f("pk_place_leases")),
    )
    op.create_index("ix_place_leases_replica", "place_leases", ["replica"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("place_leases")
