"""An application of several modules; see :mod:`examples.factory.app`."""
