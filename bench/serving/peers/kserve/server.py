"""A custom KServe predictor: V1 dictionaries and V2 requests, JSON or binary."""

import logging
import os

import kserve
import numpy as np
import uvicorn
from kserve import InferOutput, InferRequest, InferResponse
from softmax import Model as Softmax

# The SDK binds every interface and has no setting for it; this bench stays local.
_Config = uvicorn.Config
uvicorn.Config = lambda app, **options: _Config(app, **options | {"host": "127.0.0.1"})


class Wine(kserve.Model):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.softmax = Softmax()
        self.ready = True

    async def predict(self, payload, *_):
        if not isinstance(payload, InferRequest):
            return {"predictions": self.softmax.predictions(payload["instances"])}
        labels, probabilities = self.softmax.predict(payload.inputs[0].as_numpy())
        binary = bool(payload.use_binary_outputs)
        label = InferOutput("label", [len(labels)], "BYTES")
        label.set_data_from_numpy(np.array(labels, dtype=object), binary_data=binary)
        table = InferOutput("probabilities", list(probabilities.shape), "FP64")
        table.set_data_from_numpy(probabilities, binary_data=binary)
        return InferResponse(
            response_id=payload.id,
            model_name=self.name,
            infer_outputs=[label, table],
            use_binary_outputs=binary,
        )


if __name__ == "__main__":
    server = kserve.ModelServer(
        http_port=int(os.environ["PORT"]),
        workers=1,
        enable_grpc=False,
        enable_latency_logging=False,
    )
    for name in ("uvicorn.access", "kserve.trace"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).setLevel(logging.ERROR)
    server.start([Wine("wine-classifier")])
