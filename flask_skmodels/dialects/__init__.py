"""The protocols of other model servers: KServe V1, Open Inference (KServe V2) and MLflow.

Each module turns the requests of a protocol into rows, and predictions into its responses.
"""
