"""The store's schema, version by version (Alembic); `crm.store` runs them, no configuration file is needed."""
