"""BentoML as its documentation shows: a service class with one API method."""

import bentoml
from softmax import Model


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Wine:
    def __init__(self) -> None:
        self.softmax = Model()

    @bentoml.api
    def predict(self, instances: list[list[float]]) -> dict:
        return {"predictions": self.softmax.predictions(instances)}
