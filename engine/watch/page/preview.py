"""The page of a live run, as a sink of its poses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from http import HTTPStatus
from importlib.resources import files
from threading import Event, Lock

from engine.watch.page.history import COLUMN_S, History, column_of
from engine.watch.page.picture import LatestPicture, labelled_jpeg
from engine.watch.page.server import Response, parse_address, serving
from engine.watch.status import Status
from readers.live import now_s
from sinks import OverlayStyle, PoseBatch, ResourceHolder
from sinks.plain_matplotlib import body_part_colors

_WAIT_FOR_PICTURE_S = 1.0
# Data from outside, such as a movie's name, is never markup; and nothing is loaded from elsewhere.
_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class PreviewPage(ResourceHolder):
    """Serves a page that shows a live run: its latest labelled picture and its last minute.

    `write` is called in the model's thread and never waits: it sums up likelihoods and latencies,
    and copies a picture when a browser has asked for one, at most 25 a second. Drawing and
    encoding are done by the server's threads.

    Under ``/`` is the page, under ``/frame.jpg`` the picture and under ``/state.json`` the rest.
    Both wait for news: a picture of a number above the query's ``after``, for at most a second
    (then 204, no content), or such a column, for at most a quarter of one.

    `address` and `token` are those of `parse_address`, also for errors; an `InputError` at opening
    says that another program has the port. All body parts of the model are given, in its order.
    Where `status` ends before the page closes, browsers hear of it.
    """

    def __init__(
        self,
        address: str,
        body_parts: Sequence[str],
        style: OverlayStyle,
        status: Status,
        *,
        token: str | None = None,
    ) -> None:
        self._address = parse_address(address, token)
        self._body_parts = tuple(body_parts)
        self._style = style
        self._status = status
        self._history = History(len(self._body_parts))
        self._picture = LatestPicture(max(0, style.trail_points - 1), now_s)
        self._jpeg = 0, b""  # the picture's number, and its file
        self._encoding = Lock()
        self._is_closing = Event()
        displayed = style.displayed_body_parts
        colors = body_part_colors(style.color_map, len(self._body_parts))
        self._parts = [
            {
                "name": name,
                "color": f"#{bytes(color).hex()}",
                "is_displayed": displayed is None or name in displayed,
            }
            for name, color in zip(self._body_parts, colors, strict=True)
        ]

    def open(self, resources: ExitStack) -> None:
        """Listen."""
        responders = {
            "/": self._answer_page,
            "/state.json": self._answer_state,
            "/frame.jpg": self._answer_frame,
        }
        self._port = resources.enter_context(serving(self._address, responders))
        resources.callback(self._picture.close)  # before the server's end: let go those who wait
        resources.callback(self._is_closing.set)

    @property
    def url(self) -> str:
        """Where the page is, while it is open; without the token."""
        return f"http://{replace(self._address, port=self._port).text}/"

    def begin_movie(self) -> None:
        """Begin a movie; its pictures may have another size."""
        self._picture.begin_movie()

    def write(self, batch: PoseBatch) -> None:
        """Take poses that have just been published."""
        time_s = now_s()
        if not self._history.has_backlog(time_s):
            self._history.add_backlog(self._status.backlog(), time_s)
        self._history.add(batch, time_s)
        self._picture.offer(batch)

    def _answer_page(self, _query: Mapping[str, str]) -> Response:
        page = files("engine.watch.page").joinpath("page.html").read_bytes()
        headers = (("Content-Security-Policy", _POLICY),)
        return Response(page, "text/html; charset=utf-8", headers=headers)

    def _answer_frame(self, query: Mapping[str, str]) -> Response:
        if not self._picture.wait_for_newer(_number(query, "after", 0), _WAIT_FOR_PICTURE_S):
            return Response(status=HTTPStatus.NO_CONTENT)
        with self._encoding:  # once for all browsers
            newest = self._picture.take()
            assert newest is not None  # noqa: S101 -- there is a newer one than none
            number, jpeg = self._jpeg
            if number != newest.number:
                jpeg = labelled_jpeg(newest, self._body_parts, self._style)
                self._jpeg = newest.number, jpeg
        headers = (("X-Picture", str(newest.number)), ("X-Frame", str(newest.frame_index)))
        return Response(jpeg, "image/jpeg", headers=headers)

    def _answer_state(self, query: Mapping[str, str]) -> Response:
        def next_column() -> int:  # after those that are whole; at closing, all are
            return column_of(now_s()) + self._is_closing.is_set()

        first = _number(query, "after", -1) + 1
        if first >= next_column():
            self._is_closing.wait(COLUMN_S - now_s() % COLUMN_S)
        snapshot = self._status.snapshot()
        self._history.add_backlog(snapshot.backlog, now_s())
        state = {
            "status": snapshot.as_json(),
            "parts": self._parts,
            "p_cutoff": self._style.p_cutoff,
            "history": self._history.as_json(first, next_column()),
        }
        return Response(json.dumps(state, allow_nan=False).encode(), "application/json")


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    """Read a whole number from a query; the default where there is none."""
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else default
