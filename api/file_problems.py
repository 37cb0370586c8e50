"""What the API says when something about a file does not fit."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.faults import Fault
from api.problems import Invalid, Problem, respond
from schema.file_references import FilesMissingError, MissingFile
from schema.files import FileInUseError, FileMissingError
from schema.runtime.files import BlobMissingError, StoreError
from schema.runtime.logging import get_logger

log = get_logger(__name__)

AGAIN_SECONDS = "5"


def fault_of_missing(missing: MissingFile) -> Fault:
    """Return the fault of a payload that names a file that is not there."""
    values = {"file_id": missing.file_id}
    return Fault(f"/payload{missing.pointer}", "file_is_missing", values)


async def _on_files_missing(request: Request, error: FilesMissingError) -> Response:
    return respond(request.scope, Invalid([fault_of_missing(each) for each in error.missing]))


async def _on_file_missing(request: Request, error: FileMissingError) -> Response:
    return respond(request.scope, _no_file(error.file_id))


async def _on_file_in_use(request: Request, error: FileInUseError) -> Response:
    told = ", ".join(str(task_id) for task_id in error.task_ids[:10])
    values = {"file_id": error.file_id, "tasks": told}
    members = {"task_ids": list(error.task_ids)}
    return respond(request.scope, Problem(409, "file_in_use", values=values, members=members))


async def _on_store_error(request: Request, error: StoreError) -> Response:
    log.warning("the store of files fails", error=str(error)[:500])
    if isinstance(error, BlobMissingError):
        return respond(request.scope, Problem(404, "file_bytes_missing"))
    headers = {"retry-after": AGAIN_SECONDS}
    return respond(request.scope, Problem(503, "files_away", headers=headers))


def _no_file(file_id: int) -> Problem:
    return Problem(404, "file_not_found", values={"file_id": file_id})


HANDLERS: Mapping[Any, Any] = {
    FilesMissingError: _on_files_missing,
    FileMissingError: _on_file_missing,
    FileInUseError: _on_file_in_use,
    StoreError: _on_store_error,
}
"""What FastAPI is to do with each class of error."""
