"""The shared language: columns and what follows from them. Standard library only at import; rows and reading use numpy.

`contract.Contract` is a value that is passed to whoever needs it; `uci.UCI` is the default one.
"""
