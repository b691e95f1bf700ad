"""A model that learns, a store that keeps its versions, and a service that answers."""

MODEL_NAME = __name__.replace("_", "-")
