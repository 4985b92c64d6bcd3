"""An application in several modules, see :mod:`examples.factory.app`."""
