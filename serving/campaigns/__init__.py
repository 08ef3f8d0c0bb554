"""Campaigns: lists of customers, whom to call under a budget, the call lists made; page and API."""
