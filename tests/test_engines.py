"""All engines answer alike, and one takes in models from elsewhere."""

from __future__ import annotations

import csv
import json
import sys

import pytest
from test_service import get, running, wait_until_ready

from ml_service_template import CHOICES

pytestmark = pytest.mark.thorough

EVERY_ENGINE = (
    "apache-tvm>=0.27,<0.28",
    "jax>=0.10.2,<0.11",
    "numba>=0.68.1,<0.69",
    "numpy>=2.4,<2.5",
    "onnx>=1.23,<1.24",
    "onnxruntime>=1.31,<1.32",
    "msgspec>=0.22,<0.23",
)

# One state for all; rows at random, extreme and single. Prints the largest distance
# from the product's oracle, which is plain NumPy.
COMPARE = """
import json
import sys
import numpy as np
sys.path.insert(0, "tests")
import oracle
from wine_classifier.model import engine
random = np.random.default_rng(20261122)
d, k = 13, 3
arrays = {
    "mean": random.normal(size=d) * 100,
    "scale": random.uniform(0.01, 100, size=d),
    "coef": random.normal(size=(k, d)),
    "intercept": random.normal(size=k),
}
run = engine.load(engine.files(arrays))
extremes = [1.7e308, -1.7e308, 5e-324, 0.0, 1e6, -1e-9]
cases = {
    "random": random.normal(size=(5000, d)) * 300,
    "extreme": random.choice(extremes, size=(500, d)),
    "single": random.normal(size=(1, d)),
    "none": np.zeros((0, d)),
}
print(json.dumps({
    name: float(np.abs(run(X) - oracle.predict(X, *arrays.values())).max(initial=0))
    for name, X in cases.items()
}))
"""


def environment(*packages: str) -> list[str]:
    named = [word for each in packages for word in ("--with", each)]
    return ["uv", "run", "--no-project", "--quiet", "--python", sys.executable, *named]


@pytest.mark.parametrize("engine", CHOICES["engine"])
def test_every_engine_answers_as_the_oracle_does(render, engine):
    rendered = render(engine=engine)
    words = [*environment(*EVERY_ENGINE), "python", "-c", COMPARE]
    printed = rendered.succeeds(*words, PYTHONPATH="src")
    distances = json.loads(printed.splitlines()[-1])
    assert list(distances) == ["random", "extreme", "single", "none"]
    # Half of what any two may be apart, so it holds between all of them.
    assert [name for name, each in distances.items() if each > 5e-6] == []


MAKE_THEM = """
import csv
import numpy as np
from lightgbm import LGBMClassifier
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
rows = list(csv.reader(open("data/sample.csv")))[1:]
X = np.array([row[:-1] for row in rows], dtype=np.float32)
y = np.array([row[-1] for row in rows])
learned = np.arange(len(y)) % 3 > 0
forest = RandomForestClassifier(50, random_state=0).fit(X[learned], y[learned])
def write(name, model):
    with open(name, "wb") as file:
        file.write(model.SerializeToString())
write("forest.onnx", to_onnx(forest, X[:1], options={"zipmap": False}))
write("zipped.onnx", to_onnx(forest, X[:1]))
boosted = LGBMClassifier(n_estimators=20, min_child_samples=5, verbose=-1)
boosted.fit(X[learned], np.unique(y, return_inverse=True)[1][learned])
kinds = [("X", FloatTensorType([None, 13]))]
write("boosted.onnx", convert_lightgbm(boosted, initial_types=kinds, zipmap=False))
lines = open("data/sample.csv").read().splitlines()
kept = [line for line, known in zip(lines[1:], learned) if not known]
open("unseen.csv", "w").write("\\n".join([lines[0], *kept]))
"""
MAKERS = (
    "lightgbm==4.7.0",
    "numpy>=2.4,<2.5",
    "onnx>=1.23,<1.24",
    "onnxmltools==1.16.0",
    "packaging>=26",  # which onnxmltools imports and does not ask for
    "scikit-learn>=1.9,<1.10",
    "skl2onnx==1.20.0",
)


def test_models_of_other_libraries_are_adopted_and_served(render):
    rendered = render(engine="onnx")
    rendered.succeeds(*environment(*MAKERS), "python", "-c", MAKE_THEM)
    adopt = ("uv", "run", "wine-classifier", "adopt")
    for file in ("forest.onnx", "boosted.onnx"):
        shown = rendered.succeeds(*adopt, file, "--sample", "unseen.csv")
        assert "is promoted" in shown
    refused = rendered.run(*adopt, "zipped.onnx", "--sample", "unseen.csv")
    assert refused.returncode == 1
    assert "'zipmap': False" in refused.stderr
    predicted = rendered.succeeds("uv", "run", "wine-classifier", "predict")
    answers = [line.split(",")[0] for line in predicted.splitlines()[-178:]]
    lines = csv.reader(rendered.text("data/sample.csv").splitlines()[1:])
    rows = [[float(each) for each in line[:-1]] for line in lines]
    with running(rendered) as (address, service):
        wait_until_ready(address, service)
        url = f"{address}/v1/models/wine-classifier:predict"
        status, v1 = get(url, {"instances": rows})
        assert status == 200
        tensor = {"name": "features", "shape": [178, 13], "datatype": "FP64"}
        url = f"{address}/v2/models/wine-classifier/infer"
        status, v2 = get(url, {"inputs": [tensor | {"data": rows}]})
        assert status == 200
        rendered.succeeds("uv", "run", "wine-classifier", "smoke", address)
    assert [each["label"] for each in v1["predictions"]] == answers
    assert v2["outputs"][0]["data"] == answers
