"""Drafts a contract from a bank's own file and checks files against a contract; it trains and lands nothing."""
