"""The versions of a model: where they are found, which are loaded, and which one serves.

``folder`` decides; the other modules each do one part of it.
"""
