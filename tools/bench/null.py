"""A FastAPI application that does nothing: what the API's requests are measured against.

It runs as the API does: one process, uvloop, httptools, no access log.
"""

import os

import uvicorn
from fastapi import FastAPI

from tools.servers.ports import LOOPBACK

app = FastAPI()


@app.get("/readyz")
@app.get("/null")
async def null() -> dict[str, str]:
    """Answer with nothing."""
    return {}


if __name__ == "__main__":
    uvicorn.run(
        app,
        host=LOOPBACK,
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
