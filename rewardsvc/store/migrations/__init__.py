"""The history of the tables: one file a step under `versions`, run by Alembic."""
