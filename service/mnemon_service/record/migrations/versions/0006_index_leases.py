"""Which replica writes to an index that several share.

Revision: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

STRING = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table of leases."""
    op.create_table(
        "index_leases",
        sa.Column("index_name", STRING, nullable=False),
        sa.Column("holder", STRING, server_default="", nullable=False),
        sa.Column("beat", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("wanted_by", STRING, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("index_name", name=op.f("pk_index_leases")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("index_leases")
