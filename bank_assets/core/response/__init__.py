"""The response to drift and decay: limits and evidence (`policy`), the answer (`assessment`), `loop`."""
