"""FastAPI as its tutorial has it: pydantic models in and out, `async def` and `def`."""

import gc
import os

from fastapi import FastAPI
from pydantic import BaseModel
from softmax import Model

app = FastAPI()
model = Model()

if os.environ.get("BENCH_TUNED_COLLECTOR"):
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)


class PredictRequest(BaseModel):
    instances: list[list[float]]


class Prediction(BaseModel):
    label: str
    probabilities: list[float]


class PredictResponse(BaseModel):
    predictions: list[Prediction]


def answer(request: PredictRequest) -> PredictResponse:
    return PredictResponse(predictions=model.predictions(request.instances))


@app.post("/async")
async def predict_async(request: PredictRequest) -> PredictResponse:
    return answer(request)


@app.post("/def")
def predict_def(request: PredictRequest) -> PredictResponse:
    return answer(request)
