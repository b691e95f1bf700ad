"""Every kernel equals its oracle, compiled and interpreted, and suits many threads."""

import importlib.util
from concurrent.futures import (
    ThreadPoolExecutor,
)
from types import (
    ModuleType,
)

import numba
import numpy as np
import oracle
import pytest

from {{cookiecutter.__package_name}}.model import (
    kernels as compiled,
)

SEED = 20261122


def interpreted() -> ModuleType:
    """The same source once more, with no compiler: coverage sees every line of it."""
    name = f"{compiled.__name__}_interpreted"
    spec = importlib.util.spec_from_file_location(name, compiled.__file__)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "DISABLE_JIT", True)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["compiled", "interpreted"], scope="module")
def kernels(request: pytest.FixtureRequest) -> ModuleType:
    """Interpreted, NumPy refuses every index beyond an array's end; compiled code does
    so with NUMBA_BOUNDSCHECK=1 only, which is how CI runs this file once more."""
    return compiled if request.param == "compiled" else interpreted()


def problem(case: str, k: int = 3, d: int = 4):
    """Rows, labels and a state, by the name of what is peculiar about them."""
    random = np.random.default_rng(SEED)
    n = {"empty": 0, "one row": 1}.get(case, 40)
    X = random.normal(size=(n, d)) * [1.0, 10.0, 0.1, 1000.0]
    if case == "constant":
        X[:] = 3.0
    if case == "huge":
        X *= 1e300
    if case == "tiny":
        X *= 1e-300
    y = random.integers(0, k, size=n)
    W, b = random.normal(size=(k, d)), random.normal(size=k)
    mean, scale = random.normal(size=d), random.uniform(0.1, 10.0, size=d)
    return X, y, W, b, mean, scale


CASES = ["random", "empty", "one row", "constant", "huge", "tiny"]


@pytest.mark.parametrize("case", CASES)
def test_predict_equals_the_oracle(kernels: ModuleType, case: str) -> None:
    X, _, W, b, mean, scale = problem(case)
    P = kernels.predict(X, mean, scale, W, b)
    np.testing.assert_allclose(P, oracle.predict(X, mean, scale, W, b), atol=1e-12)
    np.testing.assert_allclose(P.sum(axis=1), np.ones(len(X)), atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_standardise_equals_the_oracle(kernels: ModuleType, case: str) -> None:
    X, _, _, _, mean, scale = problem(case)
    Z = kernels.standardise(X, mean, scale)
    np.testing.assert_allclose(Z, oracle.standardise(X, mean, scale), rtol=1e-12)


@pytest.mark.parametrize("case", ["random", "empty", "one row", "constant", "tiny"])
def test_moments_equal_the_oracle(kernels: ModuleType, case: str) -> None:
    X = problem(case)[0]
    mean, m2 = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    count = kernels.moments(X, 0.0, mean, m2)
    expected_count, expected_mean, expected_m2 = oracle.moments(X)
    assert count == expected_count
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-9)
    np.testing.assert_allclose(m2, expected_m2, rtol=1e-9, atol=1e-290)
    scale = [kernels.deviation(each, count) for each in m2]
    np.testing.assert_allclose(scale, oracle.deviation(expected_m2, count), rtol=1e-9)


@pytest.mark.parametrize("case", ["random", "empty", "one row", "constant"])
def test_an_epoch_equals_the_oracle(kernels: ModuleType, case: str) -> None:
    X, y, W, b, mean, scale = problem(case)
    Z = oracle.standardise(X, mean, scale)
    order = np.random.default_rng(SEED).permutation(len(Z))
    expected = oracle.sgd_epoch(Z, y, order, W, b, 0.05, 1e-3, 7.0)
    step, loss = kernels.sgd_epoch(Z, y, order, W, b, 0.05, 1e-3, 7.0)
    np.testing.assert_allclose(W, expected[0], rtol=1e-9)
    np.testing.assert_allclose(b, expected[1], rtol=1e-9)
    assert step == expected[2]
    np.testing.assert_allclose(loss, expected[3], rtol=1e-9)


@pytest.mark.parametrize("case", ["random", "empty", "one row", "constant"])
def test_an_online_pass_equals_the_oracle(kernels: ModuleType, case: str) -> None:
    X, y, W, b, _, _ = problem(case)
    expected = oracle.online_pass(X, y, W, b, 0.05, 1e-3)
    mean, m2 = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    step = kernels.online_pass(X, y, 0.0, mean, m2, W, b, 0.05, 1e-3, 0.0)
    np.testing.assert_allclose(W, expected[0], rtol=1e-6)
    np.testing.assert_allclose(b, expected[1], rtol=1e-6)
    assert step == expected[2]


def test_no_finite_number_makes_an_answer_that_is_not_finite() -> None:
    _, _, W, b, mean, scale = problem("random")
    extremes = [1.7e308, -1.7e308, 5e-324, 0.0]
    X = np.array([np.roll(extremes, shift) for shift in range(4)])
    assert np.isfinite(compiled.predict(X, mean, scale / 1e9, W, b)).all()


def assert_many_threads_get(answer, predict, *arguments) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(predict, *arguments) for _ in range(200)]
        for job in jobs:
            np.testing.assert_array_equal(job.result(), answer)


def test_concurrent_calls_answer_as_one_call_does() -> None:
    X, _, W, b, mean, scale = problem("random")
    alone = compiled.predict_serial(X, mean, scale, W, b)
    assert_many_threads_get(alone, compiled.predict_serial, X, mean, scale, W, b)


def test_spread_over_cores_it_answers_the_same_to_many_threads_too() -> None:
    pytest.importorskip(
        "numba.np.ufunc.omppool", reason="OpenMP is missing", exc_type=ImportError
    )
    X, _, W, b, mean, scale = problem("random")
    X = np.tile(X, (20, 1))
    alone = compiled.predict_serial(X, mean, scale, W, b)
    assert_many_threads_get(alone, compiled.predict_parallel, X, mean, scale, W, b)
    assert numba.threading_layer() == compiled.THREADING_LAYER == "omp"


def test_it_is_serial_unless_asked_for() -> None:
    assert compiled.predict is compiled.predict_serial


@pytest.mark.parametrize("rows", [0, 1, 255, 256, 257, 600])
def test_blocks_of_rows_leave_none_out(rows: int) -> None:
    _, _, W, b, mean, scale = problem("random")
    X = np.random.default_rng(SEED).normal(size=(rows, 4))
    P = interpreted().predict_parallel(X, mean, scale, W, b)
    expected = oracle.predict(X, mean, scale, W, b)
    np.testing.assert_allclose(P, expected, atol=1e-12)


def test_kernels_see_a_number_that_is_not_one() -> None:
    """Fast-math flags that let the compiler assume it away would hide bad data."""
    _, _, W, b, mean, scale = problem("random")
    X = np.full((1, 4), np.nan)
    assert np.isnan(compiled.predict(X, mean, scale, W, b)).all()
