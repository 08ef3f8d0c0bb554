"""Customers: what is on record about one, who objected, what the contact policy allows; pages and API."""
