"""Listeners to the signals of predictions: metrics, tracing, the prediction log, recent traffic.

``listener`` is the base of all of them; ``setup`` turns them on as configured.
"""
