"""The FastAPI app: scores over HTTP on loopback, with reasons, without a restart when another model is promoted."""
