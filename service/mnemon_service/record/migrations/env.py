"""Alembic's entry: runs the steps on the connection that `record/migrating.py` hands over."""

from alembic import context

from mnemon_service.record.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=connection.dialect.name == "sqlite",
)
context.run_migrations()
