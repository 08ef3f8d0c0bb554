"""What comes back from a campaign: dispositions and subscriptions by API, webhook and page."""
