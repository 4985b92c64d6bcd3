"""What listens to the signals of predictions: metrics, tracing, the log, and recent traffic.

``setup`` turns each of them on as the configuration says.
"""
