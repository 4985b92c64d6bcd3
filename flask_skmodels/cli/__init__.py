"""The commands of ``flask skmodels``, one module for each command.

``console`` has helpers for all commands: the application, its models, errors, tables.
"""
