"""Columns and everything that follows from them; PyYAML reads files, and rows need numpy.

`contract.Contract` is a value passed to its users; `file.read_contract` reads it from a file once, at its start.
"""
