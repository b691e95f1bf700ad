"""What the right answer is, in plain Python; nothing is shared with any server."""

import ast
import json
import math
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

TOLERANCE = 1e-9

Row = list[float]


class AnswerError(Exception):
    """A server's answer differs from the oracle's."""


@dataclass(frozen=True)
class Oracle:
    classes: list[str]
    weights: list[Row]
    bias: Row

    @classmethod
    def read(cls, version: Path) -> "Oracle":
        """A stored version's weights, standardisation folded into them."""
        manifest = json.loads((version / "manifest.json").read_bytes())
        with zipfile.ZipFile(version / "weights.npz") as arrays:
            mean, scale, coef, intercept = (
                _column(arrays, name) for name in ("mean", "scale", "coef", "intercept")
            )
        d = len(mean)
        weights = [
            [w / s for w, s in zip(coef[at : at + d], scale, strict=True)]
            for at in range(0, len(coef), d)
        ]
        bias = [
            b - math.fsum(w * m for w, m in zip(row, mean, strict=True))
            for b, row in zip(intercept, weights, strict=True)
        ]
        return cls(manifest["signature"]["classes"], weights, bias)

    def probabilities(self, row: Row) -> Row:
        scores = [
            math.fsum(w * x for w, x in zip(weights, row, strict=True)) + bias
            for weights, bias in zip(self.weights, self.bias, strict=True)
        ]
        odds = [math.exp(score - max(scores)) for score in scores]
        return [odd / math.fsum(odds) for odd in odds]

    def label(self, probabilities: Row) -> str:
        return self.classes[probabilities.index(max(probabilities))]


@dataclass(frozen=True)
class Expected:
    labels: list[str]
    probabilities: list[Row]

    @classmethod
    def of(cls, oracle: Oracle, rows: list[Row]) -> "Expected":
        table = [oracle.probabilities(row) for row in rows]
        return cls([oracle.label(row) for row in table], table)

    def v1(self) -> bytes:
        """The V1 answer itself, for the server that only ever answers this."""
        pairs = zip(self.labels, self.probabilities, strict=True)
        answer = [{"label": label, "probabilities": row} for label, row in pairs]
        return json.dumps({"predictions": answer}, separators=(",", ":")).encode()

    def judge_v1(self, _head: bytes, body: bytes) -> None:
        answers = json.loads(body)["predictions"]
        self._compare(
            [answer["label"] for answer in answers],
            [p for answer in answers for p in answer["probabilities"]],
        )

    def judge_v2(self, head: bytes, body: bytes) -> None:
        """A V2 answer, each output in JSON or in the binary part behind it."""
        json_bytes = _header(head, b"inference-header-content-length")
        split = int(json_bytes) if json_bytes else len(body)
        rest = body[split:]
        columns: dict[str, list] = {}
        for output in json.loads(body[:split])["outputs"]:
            size = (output.get("parameters") or {}).get("binary_data_size")
            if size is None:
                columns[output["name"]] = output["data"]
                continue
            part, rest = rest[:size], rest[size:]
            decode = _strings if output["datatype"] == "BYTES" else _doubles
            columns[output["name"]] = decode(part)
        if rest:
            raise AnswerError(f"{len(rest)} bytes behind the last output")
        self._compare(columns["label"], columns["probabilities"])

    def _compare(self, labels: list[str], probabilities: list[float]) -> None:
        if labels != self.labels:
            raise AnswerError(f"labels {labels[:3]}… instead of {self.labels[:3]}…")
        expected = [p for row in self.probabilities for p in row]
        if len(probabilities) != len(expected):
            raise AnswerError(f"{len(probabilities)} numbers, not {len(expected)}")
        worst = max(abs(p - e) for p, e in zip(probabilities, expected, strict=True))
        if not worst <= TOLERANCE:
            raise AnswerError(f"probabilities differ by {worst:g}")


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return b""


def _doubles(part: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(part) // 8}d", part))


def _strings(part: bytes) -> list[str]:
    found = []
    while part:
        (size,) = struct.unpack_from("<I", part)
        found.append(part[4 : 4 + size].decode())
        part = part[4 + size :]
    return found


def _column(arrays: zipfile.ZipFile, name: str) -> Row:
    """The numbers of one .npy member, flat, in C order.

    Source: NEP 1, "A simple file format for NumPy arrays", version 1.0.
    """
    content = arrays.read(f"{name}.npy")
    begin = 10 + struct.unpack_from("<H", content, 8)[0]
    header = ast.literal_eval(content[10:begin].decode("latin-1"))
    if header["descr"] != "<f8" or header["fortran_order"]:
        raise ValueError(f"{name}.npy: expected float64 in C order, got {header}")
    return _doubles(content[begin:])
