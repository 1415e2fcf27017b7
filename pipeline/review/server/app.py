"""Routes of the page and of its data."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from cohort.spine import View
from osteolens.documents.json_document import json_ready
from osteolens.errors import OsteoLensError, OutputError, ReadError
from pipeline.review.readings.corrections import CorrectionRequest, DrawnStudy, parsed
from pipeline.review.readings.export import ExportName
from pipeline.review.review import Review
from pipeline.review.server.guard import Guard
from pipeline.review.worklist import Entry

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent.with_name("static")

MostPx = Annotated[int | None, Query(alias="max", ge=16, le=65_535)]


async def _raw_body(request: Request) -> bytes:
    return await request.body()


Body = Annotated[bytes, Depends(_raw_body)]


def create_app(review: Review, token: str, cookie: str, is_host: Callable[[str], bool]) -> ASGIApp:
    """The application behind its guard.

    Args:
        review: what the server holds.
        token: of the printed link.
        cookie: name of the cookie that holds the token.
        is_host: whether a Host header is one of this server.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_errors(app)
    _add_studies(app, review)
    _add_readings(app, review)
    app.mount("/", StaticFiles(directory=STATIC, html=True), name="page")
    return Guard(app, token, cookie, is_host)


def _add_studies(app: FastAPI, review: Review) -> None:
    def entry_of(uid: str) -> Entry:
        if (entry := review.worklist.entries.get(uid)) is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such study in the worklist")
        return entry

    def with_view(uid: str, view: View) -> Entry:
        entry = entry_of(uid)
        if view not in entry.images:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"the study has no {view} image")
        return entry

    @app.get("/api/worklist")
    def worklist() -> Response:
        return _json(review.studies())

    @app.get("/api/study/{uid}")
    def study(uid: str) -> Response:
        return _json(review.study(entry_of(uid)))

    @app.get("/api/study/{uid}/films")
    def films(uid: str) -> Response:
        return _json(review.films(entry_of(uid)))

    @app.get("/api/study/{uid}/{view}/image")
    def image(uid: str, view: View, most_px: MostPx = None, raw: bool = False) -> Response:
        place = with_view(uid, view).images[view]
        if not raw:
            return Response(review.store.png(place, most_px), media_type="image/png")
        greys, (rows, columns) = review.store.greys(place, most_px)
        size = {"X-Rows": str(rows), "X-Columns": str(columns)}
        return Response(greys, media_type="application/octet-stream", headers=size)

    @app.get("/api/study/{uid}/{view}/thumb")
    def thumb(uid: str, view: View) -> Response:
        return Response(review.store.thumbnail(with_view(uid, view).images[view]), media_type="image/jpeg")

    @app.get("/api/study/{uid}/{view}/heat")
    def heat(uid: str, view: View) -> Response:
        entry = with_view(uid, view)
        try:
            layer = review.heat(entry, view)
        except ReadError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
        return Response(layer, HTTPStatus.OK if layer else HTTPStatus.NO_CONTENT, media_type="image/png")

    @app.post("/api/study/{uid}/corrections")
    def save(uid: str, body: Body) -> Response:
        saved = review.save(entry_of(uid), parsed(CorrectionRequest, body))
        return _json({"saved": saved.time, "state": saved.state.model_dump(mode="json")})

    @app.post("/api/study/{uid}/classify")
    def classify(uid: str, body: Body) -> Response:
        return _json(review.classify(entry_of(uid), parsed(DrawnStudy, body)))

    @app.post("/api/study/{uid}/bodies")
    def bodies(uid: str, body: Body) -> Response:
        measured = review.bodies(entry_of(uid), parsed(DrawnStudy, body))
        return _json({"views": {view: of_view.as_json() for view, of_view in measured.items()}})

    @app.post("/api/study/{uid}/heat")
    def heat_on_boxes(uid: str, body: Body) -> Response:
        layers = review.heat_on_boxes(entry_of(uid), parsed(DrawnStudy, body))
        return _json({"views": {view: b64encode(layer).decode("ascii") for view, layer in layers.items()}})


def _add_readings(app: FastAPI, review: Review) -> None:
    @app.get("/api/export/{name}")
    def exported(name: ExportName) -> Response:
        headers = {"content-disposition": f'attachment; filename="{name.value}"'}
        return Response(review.exports.read(name), media_type=name.media_type, headers=headers)


def _add_errors(app: FastAPI) -> None:
    """Errors as JSON with a word; no message, nor any log, holds what a stranger sent or whom a study is of."""

    @app.exception_handler(OsteoLensError)
    def explained(_: Request, error: Exception) -> Response:
        status = HTTPStatus.INSUFFICIENT_STORAGE if isinstance(error, OutputError) else HTTPStatus.UNPROCESSABLE_ENTITY
        return _json({"error": str(error)}, status)

    @app.exception_handler(RequestValidationError)
    def unknown(_: Request, error: Exception) -> Response:
        return _json({"error": "no such view, table or size"}, HTTPStatus.NOT_FOUND)

    @app.exception_handler(StarletteHTTPException)
    def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        return _json({"error": error.detail}, HTTPStatus(error.status_code))

    @app.exception_handler(Exception)
    def unexpected(_: Request, error: Exception) -> Response:
        log.error("a request failed with %s", type(error).__name__)
        return _json({"error": f"{type(error).__name__} on the server"}, HTTPStatus.INTERNAL_SERVER_ERROR)


def _json(document: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return JSONResponse(json_ready(document), status)
