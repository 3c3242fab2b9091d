"""The newest messages of a project and of each scope id by index, for searches that include messages.

Revision: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

SCOPE_FIELDS = ("user_id", "agent_id", "app_id", "run_id")


def upgrade() -> None:
    """Make an index for each scope id, and give the project's one a tie-breaker."""
    op.create_index("ix_messages_newest", "messages", ["project_id", "record_time", "id"], unique=False)
    for field in SCOPE_FIELDS:
        named = sa.text(f"{field} != ''")
        op.create_index(
            f"ix_messages_{field}_newest",
            "messages",
            ["project_id", field, "record_time", "id"],
            unique=False,
            sqlite_where=named,
            postgresql_where=named,
        )
    op.drop_index("ix_messages_record_time", table_name="messages")


def downgrade() -> None:
    """Put the old index back."""
    op.create_index("ix_messages_record_time", "messages", ["project_id", "record_time"], unique=False)
    for field in SCOPE_FIELDS:
        op.drop_index(f"ix_messages_{field}_newest", table_name="messages")
    op.drop_index("ix_messages_newest", table_name="messages")
