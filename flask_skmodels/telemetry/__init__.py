"""Listeners to the signals of predictions: metrics, tracing, the prediction log, recent traffic.

``listener`` has the base class of all of them; ``setup`` turns them on as configured.
"""
