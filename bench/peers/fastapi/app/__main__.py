"""One worker on one core, with the fast event loop and parser that the guide's stack offers."""

import os

import uvicorn

uvicorn.run(
    "app.main:app",
    host="127.0.0.1",
    port=int(os.environ["PORT"]),
    loop="uvloop",
    http="httptools",
    workers=1,
    access_log=False,
    log_level="warning",
    timeout_keep_alive=65,
)
