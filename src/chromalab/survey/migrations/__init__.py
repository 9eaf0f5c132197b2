"""How tables changed from version to version; Alembic reads this folder."""
