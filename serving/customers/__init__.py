"""What the app knows of customers beyond a request: who must not be called."""
