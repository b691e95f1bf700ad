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
from {{ cookiecutter.__package_name }}.model.estimator import (
    Estimator,
)
from {{ cookiecutter.__package_name }}.monitoring.verdict import (
    paired,
    wrong_answers,
)
from {{ cookiecutter.__package_name }}.settings import (
    read_settings,
)
from {{ cookiecutter.__package_name }}.training.dataset import (
    read_contract,
    read_table,
)
from {{ cookiecutter.__package_name }}.training.drawing import (
    short,
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
plt.rcParams["text.parse_math"] = False  # a dollar in a name is a dollar

# %% [markdown]
# ## The data
#
# Look only at the rows that are learned from: after ideas taken from the held-out rows,
# these could not judge them fairly.

# %%
plan = Plan(
    data=Path("data/sample.csv"),
    contract=read_contract(Path("data/contract.toml")),
    thresholds=read_thresholds(Path("thresholds.toml")),
)
table = read_table(plan.data, plan.contract)
learned, judged = split(table, plan.contract, plan.test_share, plan.seed)
X, y, names = learned.X, learned.y, plan.contract.names
classes = plan.contract.classes  # none where the target is a number
print(f"{len(y)} rows to learn from, {len(judged.y)} to judge by")
for name in classes:
    print(f"{np.mean(y == name):6.1%}  {name}")
if not classes:
    print(f"{plan.contract.target}: {y.min():g} to {y.max():g}, mean {y.mean():g}")

# %% [markdown]
# ### Which features tell about the target?
#
# For classes, a histogram of each; for a number, a point per row.

# %%
columns = 4
lines = -(-len(names) // columns)
figure, places = plt.subplots(lines, columns, figsize=(11, 2.2 * lines), squeeze=False)
for place in places.flat[len(names) :]:
    place.remove()
for j, (name, place) in enumerate(zip(names, places.flat, strict=False)):
    bins = np.histogram_bin_edges(X[:, j], 15)
    for label in classes:
        place.hist(X[y == label, j], bins, alpha=0.6, label=short(label))
    if not classes:
        place.scatter(X[:, j], y, s=6, alpha=0.6)
    place.set_title(short(name), fontsize=9)
    place.tick_params(labelsize=7)
if classes:
    figure.legend(*places.flat[0].get_legend_handles_labels(), loc="lower right")
figure.tight_layout()
plt.show()

# %% [markdown]
# ### Which features say the same?

# %%
side = max(5.5, len(names) / 6)
figure, place = plt.subplots(figsize=(side + 1, side))
picture = place.imshow(np.atleast_2d(np.corrcoef(X.T)), cmap="RdBu_r", vmin=-1, vmax=1)
labels = [short(name) for name in names]
place.set_xticks(range(len(names)), labels, rotation=90, fontsize=8)
place.set_yticks(range(len(names)), labels, fontsize=8)
figure.colorbar(picture, label="correlation")
figure.tight_layout()
plt.show()

# %% [markdown]
# ### What does a plane show?
#
# The two directions in which the standardised rows vary most.

# %%
spans = X.std(axis=0)
Z = (X - X.mean(axis=0)) / np.where(spans, spans, 1.0)
U, spread, _ = np.linalg.svd(Z, full_matrices=False)
along = U * spread  # (n, d), the rows along each direction
share = spread**2 / np.sum(spread**2)
if len(names) > 1:
    figure, place = plt.subplots(figsize=(6.5, 5))
    for label in classes:
        points = along[y == label, :2].T
        place.scatter(*points, s=18, alpha=0.7, label=short(label))
    if classes:
        place.legend()
    else:
        picture = place.scatter(*along[:, :2].T, c=y, s=18, alpha=0.7)
        figure.colorbar(picture, label=plan.contract.target)
    place.set_xlabel(f"first direction, {share[0]:.0%} of the variance")
    place.set_ylabel(f"second direction, {share[1]:.0%}")
    plt.show()

# %% [markdown]
# ## Two ideas
#
# An idea is a set of the estimator's parameters. Both learn from the same rows and are
# judged by the same held-out rows, as in `make train`.
#
# **Edit the second one**, as in `{"stronger penalty": {"l2": 0.1}}`. To have something
# to show with any estimator, it is a tenth of the first parameter that is a number.

# %%
usual = Estimator().get_params()
print("parameters:", *(f"{name}={value!r}" for name, value in usual.items()))
numbers = [
    (name, value)
    for name, value in usual.items()
    if type(value) in (int, float) and name != "random_state"
]
varied = {
    name: max(1, value // 10) if type(value) is int else value / 10
    for name, value in numbers[:1]
}
named = ", ".join(f"{name}={value}" for name, value in varied.items())
IDEAS = {"as it is": {}, named or "the same again": varied}

# %%
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

# %% [markdown]
# Predicted values against true ones.

# %%
answers = {
    idea: candidate.predictor().predict(judged.X)
    for idea, candidate in candidates.items()
}
figure, places = plt.subplots(1, 2, figsize=(10, 4.5))
for place, (idea, candidate) in zip(places, candidates.items(), strict=True):
    place.set_title(idea)
    place.set_xlabel("answered")
    place.set_ylabel("true")
    if not classes:
        place.scatter(answers[idea]["value"], judged.y, s=12, alpha=0.7)
        place.axline((judged.y.mean(), judged.y.mean()), slope=1, color="grey", lw=1)
        continue
    order = candidate.manifest.signature.classes
    counts = np.array(candidate.manifest.evaluation.confusion)
    place.imshow(counts, cmap="Blues")
    for (i, j), count in np.ndenumerate(counts):
        dark = count > counts.max() / 2
        place.text(j, i, count, ha="center", color="white" if dark else "black")
    labels = [short(name) for name in order]
    place.set_xticks(range(len(order)), labels, rotation=40, ha="right")
    place.set_yticks(range(len(order)), labels)
figure.tight_layout()
plt.show()

# %% [markdown]
# ### Is the difference more than chance?
#
# Both answered the same rows, so they can be compared row by row, as the command
# `compare` does. With few rows the honest answer is often that nobody knows.

# %%
if classes:
    wrong = [(each["label"] != judged.y).astype(float) for each in answers.values()]
    found = wrong_answers(*wrong, margin=0.01)
else:
    errors = [np.abs(each["value"] - judged.y) for each in answers.values()]
    found = paired("absolute error", *errors, margin=0.01 * float(judged.y.std()))
print(f"{second} against {first}, over {found.rows} rows: {found.verdict}")
unit = "+.1%" if classes else "+.4g"
print(
    f"95 % interval of the difference in {found.name}: "
    f"{found.low:{unit}} to {found.high:{unit}}"
)

# %% [markdown]
# ## Keep one
#
# The one with the smaller loss becomes a version in the store. It does not serve:
# `models promote` decides that, and asks for a reason if it missed `thresholds.toml`.
# Choosing among many ideas by the same few rows partly chooses luck: judge the last one
# once more by rows that nobody has looked at. To keep an idea for good, make it the
# default in `model/estimator.py` and run `make train`.

# %%
loss = "log_loss" if classes else "mae"
best = min(measured, key=lambda idea: measured[idea][loss])
store = Store(read_settings(os.environ).model_uri, package.MODEL_NAME)
version = store.put(candidates[best])
print(f"{best}: kept as version {version}; in service is {store.serving()}")
print("missed:", *candidates[best].manifest.gate_failures or ["nothing"])
