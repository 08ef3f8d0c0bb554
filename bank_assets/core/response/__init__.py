"""The response to drift and decay: limits (`policy`), measurements (`evidence`), the answer (`assessment`), `loop`."""
