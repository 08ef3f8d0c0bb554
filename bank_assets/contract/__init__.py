"""Columns and everything that follows from them; only the standard library is imported, except that rows need numpy.

`contract.Contract` is a value that is passed to its users; `uci.UCI` is the default contract.
"""
