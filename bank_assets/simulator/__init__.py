"""Invents bank-shaped contacts of any size and period, from aggregates of the real ones."""
