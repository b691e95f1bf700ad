"""Training benchmark: the product's estimator beside scikit-learn's SGDClassifier.

    python bench/training.py

Both learn the same 10-class problems, standardised, on one thread each, in interleaved
rounds. Printed are seconds, held-out log loss, and the median of the ratios within each
round. SGDClassifier runs twice: with the stopping rule it has by default, and with as
many passes as ours makes.
"""

import argparse
import importlib
import os
import statistics
import subprocess
import time
from pathlib import Path

ROUNDS = 7
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"),
    "1",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", type=Path, help="a rendered project")
    parser.add_argument("--package", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.package:
        compare(options.package)
        return
    from serving.project import prepare

    project = prepare(options.project)
    # Threads are counted when the libraries are imported, so before the process starts.
    subprocess.run(
        [project.executables / "python", __file__, "--package", project.package],
        env=os.environ | ONE_THREAD,
        check=True,
    )


def problems():
    """Name, rows, labels: one real problem and one large made one, ten classes each."""
    from sklearn.datasets import load_digits, make_classification

    yield "digits, 1,797 x 64", *load_digits(return_X_y=True)
    yield "made, 20,000 x 30", *make_classification(
        20_000, 30, n_informative=20, n_classes=10, random_state=0
    )


def compare(package: str) -> None:
    """Runs in the project's environment, where both estimators are installed."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    estimator = importlib.import_module(f"{package}.model.estimator").Estimator
    passes = estimator().epochs

    def peer(**stopping):
        sgd = SGDClassifier(loss="log_loss", random_state=0, **stopping)
        return make_pipeline(StandardScaler(), sgd)

    makers = {
        "ours": estimator,
        "SGDClassifier, as it comes": peer,
        f"SGDClassifier, {passes} passes": lambda: peer(max_iter=passes, tol=None),
    }
    for title, rows, labels in problems():
        train_x, test_x, train_y, test_y = train_test_split(
            rows, labels, test_size=0.25, random_state=0, stratify=labels
        )
        estimator(epochs=1).fit(train_x, train_y)  # compiles, or loads what is compiled
        seconds: dict[str, list[float]] = {name: [] for name in makers}
        losses = {}
        for _ in range(ROUNDS):
            for name, make in makers.items():
                model = make()
                began = time.perf_counter()
                model.fit(train_x, train_y)
                seconds[name].append(time.perf_counter() - began)
                losses[name] = log_loss(test_y, model.predict_proba(test_x))
        show(title, seconds, losses)


def show(title: str, seconds: dict[str, list[float]], losses: dict[str, float]) -> None:
    print(f"\n{title}\n{'':<30}{'seconds':>9}{'log loss':>10}{'ours is':>9}")
    for name, taken in seconds.items():
        pairs = zip(taken, seconds["ours"], strict=True)
        ratio = statistics.median(theirs / ours for theirs, ours in pairs)
        median = statistics.median(taken)
        print(f"{name:<30}{median:>9.3f}{losses[name]:>10.4f}{ratio:>8.1f}x")


if __name__ == "__main__":
    main()
