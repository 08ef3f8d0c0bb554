"""The first page, and the login form."""
