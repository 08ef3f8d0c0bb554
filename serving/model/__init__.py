"""The model in force for people and programs: quality, history, rollback; page and API."""
