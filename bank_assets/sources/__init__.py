"""Where contacts can be fetched: the public UCI file, a user's own delivery, or the simulator."""
