"""Columns and everything that follows from them; PyYAML reads files, and rows need numpy.

`contract.Contract` is a value that is passed to its users; `file.read_contract` reads it from a file once, at the door.
"""
