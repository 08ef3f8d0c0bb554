"""Which challenger becomes champion: the gates, their limits, the guard of refits."""
