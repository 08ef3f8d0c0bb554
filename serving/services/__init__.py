"""Logic behind the routes: deciding, batches, replay, campaign plans. No HTTP here, and no SQL either."""
