"""The champion for people and programs: quality, history, rollback; page and API."""
