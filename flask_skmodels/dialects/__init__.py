"""The protocols of other model servers: KServe V1, Open Inference (KServe V2) and MLflow.

Each module translates the requests of a protocol to rows, and predictions to its responses.
"""
