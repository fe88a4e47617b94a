"""What machines ask: is the process there, and does the host work."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from console.access import for_anyone
from console.desk import desk
from store import directory

pages = Blueprint("health", __name__)


@pages.get("/health/live")
@for_anyone
def live() -> Response:
    """Say that this process answers."""
    return jsonify(status="live")


@pages.get("/health/ready")
@for_anyone
def ready() -> tuple[Response, int]:
    """Say whether the store can be read and every process of the host has spoken lately. Names nothing."""
    with desk().reader.snapshot() as connection:
        processes = directory.processes(connection)
    well = all(directory.is_alive(process) for process in processes if process.role != "console")
    return (jsonify(status="ready"), 200) if well else (jsonify(status="not ready"), 503)
