"""The requests: rows of the sample data in each protocol, and their right answers."""

import csv
import json
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from load import Group
from oracle import Expected, Oracle, Row

MODEL = "wine-classifier"
SMALL_BODIES = 64
LARGE_BODIES = 2
LARGE_ROWS = 1000


@dataclass(frozen=True)
class Payload:
    rows: list[Row]
    expected: Expected


@dataclass(frozen=True)
class Traffic:
    small: list[Payload]
    large: list[Payload]

    @classmethod
    def from_sample(cls, path: Path, oracle: Oracle) -> "Traffic":
        """Small payloads are rows of the file; large ones hold such rows, jittered."""
        with path.open(encoding="utf-8", newline="") as file:
            _, *lines = csv.reader(file)
        table = [[float(cell) for cell in line[:-1]] for line in lines]
        chance = random.Random(20)
        chance.shuffle(table)

        def jittered(row: Row) -> Row:
            return [round(x * chance.uniform(0.99, 1.01), 4) for x in row]

        def payload(rows: list[Row]) -> Payload:
            return Payload(rows, Expected.of(oracle, rows))

        return cls(
            [payload([row]) for row in table[:SMALL_BODIES]],
            [
                payload([jittered(table[i % len(table)]) for i in range(LARGE_ROWS)])
                for _ in range(LARGE_BODIES)
            ],
        )

    def group(
        self,
        protocol: str,
        path: str,
        large: bool,
        connections: int,
        rate: float | None = None,
        key: str | None = None,
    ) -> Group:
        payloads = self.large if large else self.small
        # It answers one body per size, so it is asked with one payload per size.
        if protocol == "constant":
            payloads = payloads[:1]
            path = f"/{'large' if large else 'small'}"
        encode, judge = PROTOCOLS[protocol]
        return Group(
            requests=[_http(path, *encode(p.rows), key) for p in payloads],
            judge=lambda number, head, body: judge(
                payloads[number].expected, head, body
            ),
            connections=connections,
            rate=rate,
        )

    def write_constants(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "small.json").write_bytes(self.small[0].expected.v1())
        (folder / "large.json").write_bytes(self.large[0].expected.v1())


def _v1(rows: list[Row]) -> tuple[bytes, dict[str, str]]:
    body = json.dumps({"instances": rows}, separators=(",", ":")).encode()
    return body, {"content-type": "application/json"}


def _v2(rows: list[Row]) -> tuple[bytes, dict[str, str]]:
    tensor = _tensor(rows) | {"data": [x for row in rows for x in row]}
    body = json.dumps({"id": "bench", "inputs": [tensor]}, separators=(",", ":"))
    return body.encode(), {"content-type": "application/json"}


def _v2_binary(rows: list[Row]) -> tuple[bytes, dict[str, str]]:
    data = b"".join(struct.pack(f"<{len(row)}d", *row) for row in rows)
    tensor = _tensor(rows) | {"parameters": {"binary_data_size": len(data)}}
    asked = {
        "id": "bench",
        "inputs": [tensor],
        "parameters": {"binary_data_output": True},
    }
    head = json.dumps(asked, separators=(",", ":")).encode()
    return head + data, {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head)),
    }


def _tensor(rows: list[Row]) -> dict:
    shape = [len(rows), len(rows[0])]
    return {"name": "features", "shape": shape, "datatype": "FP64"}


Encode = Callable[[list[Row]], tuple[bytes, dict[str, str]]]
Judge = Callable[[Expected, bytes, bytes], None]

PROTOCOLS: dict[str, tuple[Encode, Judge]] = {
    "constant": (_v1, Expected.judge_v1),
    "v1": (_v1, Expected.judge_v1),
    "v2": (_v2, Expected.judge_v2),
    "v2-binary": (_v2_binary, Expected.judge_v2),
}


def _http(path: str, body: bytes, headers: dict[str, str], key: str | None) -> bytes:
    headers = {"host": "127.0.0.1", **headers, "content-length": str(len(body))}
    if key:
        headers["authorization"] = f"Bearer {key}"
    lines = [f"POST {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
