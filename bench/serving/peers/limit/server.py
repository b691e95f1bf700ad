"""The limit: reads the body and answers the same bytes every time.

No framework, no parsing, no model: the most that uvicorn with uvloop and httptools can
give to anybody.
"""

import os
from pathlib import Path

ANSWERS = {
    path.stem: path.read_bytes()
    for path in Path(os.environ["BENCH_CONSTANTS"]).glob("*.json")
}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    answer = ANSWERS[scope["path"][1:]]
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(answer)),
            ],
        }
    )
    await send({"type": "http.response.body", "body": answer})
