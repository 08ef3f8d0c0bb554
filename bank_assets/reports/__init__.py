"""Reports for people: charts and pages of values that `bank_assets.core` computed."""
