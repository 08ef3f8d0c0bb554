"""The replay: the loop on history, with several policies compared. All numbers come from `bank_assets.core`."""
