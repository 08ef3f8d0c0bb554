"""What a call costs and earns, whom to call, and whom never."""
