# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From the data to a candidate
#
# Look at the rows, compare two ideas, keep the better one as a version that does not
# serve yet. All that reads, learns and judges comes from the package: what is found
# here holds for `make train` as well.

# %%
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import {{ cookiecutter.__package_name }} as package
from {{ cookiecutter.__package_name }}.artifacts.store import (
    Store,
)
from {{ cookiecutter.__package_name }}.monitoring.verdict import (
    wrong_answers,
)
from {{ cookiecutter.__package_name }}.settings import (
    read_settings,
)
from {{ cookiecutter.__package_name }}.training.dataset import (
    read_contract,
    read_table,
)
from {{ cookiecutter.__package_name }}.training.evaluate import (
    read_thresholds,
)
from {{ cookiecutter.__package_name }}.training.split import (
    split,
)
from {{ cookiecutter.__package_name }}.training.train import (
    Plan,
    train,
)

os.chdir(Path(package.__file__).parents[2])  # wherever the notebook was opened

# %% [markdown]
# ## The data
#
# Only the rows that are learned from are looked at: ideas that came from the others
# would make them poor judges.

# %%
plan = Plan(
    data=Path("data/sample.csv"),
    contract=read_contract(Path("data/contract.toml")),
    thresholds=read_thresholds(Path("thresholds.toml")),
)
table = read_table(plan.data, plan.contract)
learned, judged = split(table, plan.contract, plan.test_share, plan.seed)
X, y, names = learned.X, learned.y, plan.contract.names
print(f"{len(y)} rows to learn from, {len(judged.y)} to judge by")
for name in plan.contract.classes:
    print(f"{np.mean(y == name):6.1%}  {name}")

# %% [markdown]
# ### Which features tell the classes apart?

# %%
columns = 4
lines = -(-len(names) // columns)
figure, places = plt.subplots(lines, columns, figsize=(11, 2.2 * lines), squeeze=False)
for place in places.flat[len(names) :]:
    place.remove()
for j, (name, place) in enumerate(zip(names, places.flat, strict=False)):
    bins = np.histogram_bin_edges(X[:, j], 15)
    for label in plan.contract.classes:
        place.hist(X[y == label, j], bins, alpha=0.6, label=label)
    place.set_title(name, fontsize=9)
    place.tick_params(labelsize=7)
figure.legend(*places.flat[0].get_legend_handles_labels(), loc="lower right")
figure.tight_layout()
plt.show()

# %% [markdown]
# ### Which features say the same?

# %%
figure, place = plt.subplots(figsize=(6.5, 5.5))
picture = place.imshow(np.corrcoef(X.T), cmap="RdBu_r", vmin=-1, vmax=1)
place.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
place.set_yticks(range(len(names)), names, fontsize=8)
figure.colorbar(picture, label="correlation")
figure.tight_layout()
plt.show()

# %% [markdown]
# ### Could a plane part them?
#
# The two directions in which the standardised rows differ most.

# %%
Z = (X - X.mean(axis=0)) / X.std(axis=0)
_, spread, directions = np.linalg.svd(Z, full_matrices=False)
share = spread**2 / np.sum(spread**2)
figure, place = plt.subplots(figsize=(6.5, 5))
for label in plan.contract.classes:
    place.scatter(*(Z[y == label] @ directions[:2].T).T, s=18, alpha=0.7, label=label)
place.set_xlabel(f"first direction, {share[0]:.0%} of the variance")
place.set_ylabel(f"second direction, {share[1]:.0%}")
place.legend()
plt.show()

# %% [markdown]
# ## Two ideas
#
# An idea is a set of the estimator's parameters. Both learn from the same rows, and are
# judged by the same others, as `make train` does it.

# %%
IDEAS = {"as it is": {}, "stronger penalty": {"l2": 0.1}}
candidates = {
    idea: train(replace(plan, parameters=parameters), package.MODEL_NAME)
    for idea, parameters in IDEAS.items()
}
measured = {
    idea: candidate.manifest.evaluation.metrics
    for idea, candidate in candidates.items()
}
first, second = measured
print(f"{'':20}{first:>18}{second:>18}{'baseline':>12}")
for metric, trivial in candidates[first].manifest.baseline.metrics.items():
    a, b = measured[first][metric], measured[second][metric]
    print(f"{metric:20}{a:18.4f}{b:18.4f}{trivial:12.4f}")

# %%
figure, places = plt.subplots(1, 2, figsize=(10, 4.5))
for place, (idea, candidate) in zip(places, candidates.items(), strict=True):
    classes = candidate.manifest.signature.classes
    counts = np.array(candidate.manifest.evaluation.confusion)
    place.imshow(counts, cmap="Blues")
    for (i, j), count in np.ndenumerate(counts):
        dark = count > counts.max() / 2
        place.text(j, i, count, ha="center", color="white" if dark else "black")
    place.set_xticks(range(len(classes)), classes)
    place.set_yticks(range(len(classes)), classes)
    place.set_xlabel("answered")
    place.set_ylabel("true")
    place.set_title(idea)
figure.tight_layout()
plt.show()

# %% [markdown]
# ### Is the difference more than chance?
#
# The same rows were answered by both, so that they are compared row by row, as the
# command `compare` does it. With few rows the honest answer is often that nobody knows.

# %%
wrong = [
    (candidate.predictor().predict(judged.X)["label"] != judged.y).astype(float)
    for candidate in candidates.values()
]
found = wrong_answers(*wrong, margin=0.01)
print(f"{second} against {first}, over {found.rows} rows: {found.verdict}")
print(f"95 % interval of the difference: {found.low:+.1%} to {found.high:+.1%}")

# %% [markdown]
# ## Keep one
#
# The one with the smaller log loss becomes a version in the store. It does not serve:
# `models promote` decides that, and asks for a reason when it missed `thresholds.toml`.
# Who chooses among many ideas by the same few rows will have chosen luck as well: judge
# the last one once more by rows that nobody has looked at. To keep an idea for good,
# make it the default in `model/estimator.py` and run `make train`.

# %%
best = min(measured, key=lambda idea: measured[idea]["log_loss"])
store = Store(read_settings(os.environ).model_uri, package.MODEL_NAME)
version = store.put(candidates[best])
print(f"{best}: kept as version {version}; in service is {store.serving()}")
print("missed:", *candidates[best].manifest.gate_failures or ["nothing"])
