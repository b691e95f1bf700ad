"""LitServe as documented: setup, decode, predict, encode; ZeroMQ for many requests."""

import os

import litserve
from softmax import Model


class Wine(litserve.LitAPI):
    def setup(self, _device: str) -> None:
        self.softmax = Model()

    def decode_request(self, request: dict) -> list[list[float]]:
        return request["instances"]

    def predict(self, instances: list[list[float]]) -> list[dict]:
        return self.softmax.predictions(instances)

    def encode_response(self, predictions: list[dict]) -> dict:
        return {"predictions": predictions}


if __name__ == "__main__":
    server = litserve.LitServer(
        Wine(), accelerator="cpu", workers_per_device=1, fast_queue=True
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
