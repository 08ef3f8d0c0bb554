"""The replay: the loop on history, policies side by side. Its numbers come from `bank_assets.core` alone."""
