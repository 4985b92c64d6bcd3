"""The code that computes predictions: native methods, the lean engine and ONNX Runtime.

It also combines concurrent calls and sets the sizes of thread pools.
"""
