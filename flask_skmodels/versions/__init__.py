"""The versions of a model: discovery, loading, polling, checks, and the choice of the live one.

Start with ``folder``; each of the other modules does a part of its work.
"""
