"""Migrations of the tables between versions, in the folder that Alembic reads."""
