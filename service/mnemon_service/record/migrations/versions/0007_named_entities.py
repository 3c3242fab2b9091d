"""Named entities count active memories only, as users, agents, apps and runs do.

A server of the release before that still runs beside this one counts superseded memories too: names whose
memories it changes meanwhile may be counted wrongly by so many.

Revision: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

COUNT = """
    UPDATE entities SET memories = (
        SELECT count(*) FROM memory_entities
        JOIN memories ON memories.project_id = memory_entities.project_id
            AND memories.id = memory_entities.memory_id
        WHERE memory_entities.project_id = entities.project_id
            AND memory_entities.key = entities.key
            AND memories.state IN ({states})
    )
"""


def upgrade() -> None:
    """Count anew, and forget names that no active memory has."""
    op.execute(sa.text(COUNT.format(states="'ACTIVE'")))
    op.execute(sa.text("DELETE FROM entities WHERE memories <= 0"))


def downgrade() -> None:
    """Count superseded memories too; names that only they had stay forgotten."""
    op.execute(sa.text(COUNT.format(states="'ACTIVE', 'SUPERSEDED'")))
