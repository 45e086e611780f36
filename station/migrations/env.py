"""How Alembic reaches the state store: over the connection that `station.migrate` hands in."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=context.config.attributes.get("metadata"), render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
