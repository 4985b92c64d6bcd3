"""The code that computes predictions: scikit-learn's own methods, the lean engine, ONNX Runtime.

Also the combining of concurrent calls and the sizes of thread pools.
"""
