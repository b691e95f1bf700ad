"""The FastAPI entrypoint, yours to extend: add your own routes in `create_api`."""

import os
from typing import TYPE_CHECKING

from . import MODEL_NAME
from .artifacts.store import open_version
from .serving.edge import Edge
from .serving.service import Service
from .serving.trial import new_service
from .settings import Settings, read_settings

if TYPE_CHECKING:
    from fastapi import FastAPI


def create_app(settings: Settings | None = None) -> Edge:
    """store → predictor → warm-up → the machinery's routes and yours.

    The model is loaded when the server starts, not here; `uvicorn --factory` takes
    this function too.
    """
    settings = settings or read_settings(os.environ)
    service = new_service(settings, lambda uri: open_version(uri, MODEL_NAME))
    return Edge(service, create_api)


def create_api(service: Service) -> "FastAPI":
    """The documented application: the machinery's routes, and yours."""
    # Imported here, once the socket is open: the framework takes half a second.
    from .serving.routes import add_routes, new_api

    api = new_api(service)
    add_routes(api, service)

    # Your own routes go here. Like every other route they have request ids, key checks,
    # log lines and metrics; too large a body is refused before it gets here.

    return api
