"""What a browser shows of a live run, and whom the page answers."""

import http.client
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright

from engine.live.page import PreviewPage
from engine.live.status import Status
from engine.synthetic import BODY_PARTS, MouseMovie
from readers import FrameStatus, InputError
from readers.live import now_s
from sinks import OverlayStyle, PoseBatch
from tests.batches import frame_batch

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTH, HEIGHT = 320, 256
TOKEN = "a token of sixteen"  # noqa: S105 -- of a page on loopback


@dataclass
class Recording:
    num_arrived: int = 0
    ended_by: str | None = None


class LiveRun:
    """A run of a walking mouse, whose frames are published when a test says so."""

    def __init__(self, address: str = "0", token: str | None = None) -> None:
        self.recording = Recording()
        self.status = Status()
        self.page = PreviewPage(address, BODY_PARTS, OverlayStyle(), self.status, token=token)
        self.movie = MouseMovie(seed=3, width=WIDTH, height=HEIGHT, num_frames=10**6)
        self.status.begin_movie("mouse.isxb", 0, self.recording)
        self.page.begin_movie()

    def publish(self, num_frames: int = 1, *, likelihood: float = 0.9) -> None:
        for _ in range(num_frames):
            index = self.recording.num_arrived
            self.recording.num_arrived += 1
            frames = replace(
                frame_batch(index, 1, HEIGHT, WIDTH),
                images=self.movie.image(index)[np.newaxis],
                arrival_time_s=np.array([now_s() - 0.006]),
                status=np.array([FrameStatus.DECODED], np.uint8),
            )
            poses = np.empty((1, len(BODY_PARTS), 3))
            poses[0, :, :2] = self.movie.key_points(index)
            poses[..., 2] = likelihood
            batch = PoseBatch(frames, poses)
            self.status.published(batch, now_s())
            self.page.write(batch)

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self.place, timeout=30)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    @property
    def place(self) -> tuple[str, int]:
        host, _, port = self.page.url.removeprefix("http://").rstrip("/").rpartition(":")
        return host, int(port)


@pytest.fixture
def run() -> Iterator[LiveRun]:
    run = LiveRun()
    with run.page:
        yield run


@contextmanager
def browser_page(url: str) -> Iterator[Page]:
    """Open the page in a real browser; nothing but its own server may be asked, nor fail."""
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda request: (
                problems.append(request.url)
                if url not in request.url and not request.url.startswith(("data:", "blob:"))
                else None
            ),
        )
        try:
            page.goto(url)
            yield page
        finally:
            browser.close()
    assert problems == []


def wait_for(page: Page, expression: str) -> None:
    # As a function: the page's policy forbids to evaluate texts.
    page.wait_for_function(f"() => {expression}", timeout=30_000)


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@needs_chromium
def test_a_browser_shows_the_latest_frame_with_its_poses(run: LiveRun) -> None:
    with browser_page(run.page.url) as page:
        wait_for(page, "document.querySelector('#stage').textContent === 'recording'")
        stop = threading.Event()
        pump = threading.Thread(target=_publish_until, args=(run, stop))
        pump.start()
        try:
            wait_for(page, "document.querySelector('#caption').textContent.startsWith('frame')")
            wait_for(page, "document.querySelector('#picture').width === 320")
        finally:
            stop.set()
            pump.join()
        run.publish()
        last = run.recording.num_arrived - 1
        # The last of all is asked for only if one more is offered.
        for _ in range(50):
            run.publish()
        wait_for(
            page,
            f"Number(document.querySelector('#caption').textContent.replace(/\\D/g, '')) >= {last}",
        )
        shown = int("".join(filter(str.isdigit, page.inner_text("#caption"))))
        nose = run.movie.key_points(shown)[list(BODY_PARTS).index("nose")]
        color = page.evaluate(
            "([x, y]) => [...document.querySelector('#picture').getContext('2d')"
            ".getImageData(x, y, 1, 1).data]",
            [round(float(value)) for value in nose],
        )
        assert max(color[:3]) - min(color[:3]) > 100  # a dot on a grey picture


def _publish_until(run: LiveRun, stop: threading.Event) -> None:
    while not stop.wait(0.02):  # the pace of a camera
        run.publish()


@needs_chromium
def test_a_browser_shows_how_the_run_does_and_that_it_is_over(run: LiveRun) -> None:
    with browser_page(run.page.url) as page:
        run.publish(5)
        run.recording.num_arrived = 12
        wait_for(page, "document.querySelector('#number-published')?.textContent === '5'")
        wait_for(page, "document.querySelector('#number-behind').textContent === '7'")
        names = page.locator(".part .name").all_inner_texts()
        assert names == list(BODY_PARTS)
        wait_for(
            page,
            "[...document.querySelectorAll('.now')].every(e => e.textContent === '0.90')",
        )
        assert float(page.inner_text("#number-latency-p50-ms")) >= 6.0
        assert "mouse.isxb" in page.title()
        run.status.warn("<b>pictures</b> of another size")
        wait_for(page, "document.querySelector('#warnings li')?.textContent.startsWith('<b>')")

        run.recording.ended_by = "closed"
        wait_for(page, "document.querySelector('#stage').textContent.includes('closed')")
        run.status.end()
        wait_for(page, "document.querySelector('#stage').textContent === 'the run is over'")


@needs_chromium
def test_the_page_ends_at_once_with_a_browser_connected() -> None:
    run = LiveRun()
    with run.page:
        run.publish(3)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page()
            page.goto(run.page.url)
            wait_for(page, "document.querySelector('#number-published')?.textContent === '3'")
            run.status.end()
            run.page.__exit__(None, None, None)
            wait_for(page, "document.querySelector('#stage').textContent === 'the run is over'")
            browser.close()
            run.page.__enter__()

    assert not [thread for thread in threading.enumerate() if "preview" in thread.name]


def test_the_state_is_json_also_while_nothing_is_known(run: LiveRun) -> None:
    status, body = run.get("/state.json")

    assert status == 200
    state = json.loads(body)
    assert state["status"]["latency_ms"] is None
    assert [part["name"] for part in state["parts"]] == list(BODY_PARTS)


def test_the_picture_is_a_jpeg_and_there_is_no_newer_one_than_the_newest(run: LiveRun) -> None:
    run.publish()
    status, body = run.get("/frame.jpg")
    assert (status, body[:3]) == (200, b"\xff\xd8\xff")

    status, body = run.get("/frame.jpg?after=1")

    assert (status, body) == (204, b"")


@pytest.mark.parametrize("host", ["evil.example", "192.168.1.7", "127.0.0.1.evil.example"])
def test_requests_in_another_hosts_name_are_refused(run: LiveRun, host: str) -> None:
    assert run.get("/state.json", Host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]:80"])
def test_requests_in_this_machines_name_are_answered(run: LiveRun, host: str) -> None:
    assert run.get("/state.json", Host=host)[0] == 200


def test_nothing_else_is_served(run: LiveRun) -> None:
    for path in ("/etc/passwd", "/../preview.py", "/page.html"):
        assert run.get(path)[0] == 404


def test_with_a_token_only_those_who_know_it_are_answered() -> None:
    run = LiveRun("127.0.0.1:0", TOKEN)
    with run.page:
        assert run.get("/")[0] == 403
        assert run.get("/?token=wrong")[0] == 403
        assert run.get("/state.json", Authorization="Bearer wrong")[0] == 403
        assert run.get("/", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert run.get("/?token=" + TOKEN.replace(" ", "%20"))[0] == 200


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"{port}.*give another port") as raised:
            LiveRun(str(port)).page.__enter__()

    assert "\n" not in str(raised.value)
