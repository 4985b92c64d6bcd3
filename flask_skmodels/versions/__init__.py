"""The versions of a model: discovery, loading, polling, checks, and the one that is live.

``folder`` is where to start; each of the other modules does one part of its work.
"""
