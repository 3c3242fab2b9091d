"""Feedback on memories.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

STRING = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "feedback",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("id", STRING, nullable=False),
        sa.Column("memory_id", STRING, nullable=False),
        sa.Column("rating", STRING, nullable=False),
        sa.Column("reason", STRING, server_default="", nullable=False),
        sa.Column("actor_key", STRING, server_default="", nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_feedback")),
    )
    op.create_index("ix_feedback_memory", "feedback", ["project_id", "memory_id", "id"], unique=False)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("feedback")
