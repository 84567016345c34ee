"""What a browser shows of a live run, and whom the page answers."""

import http.client
import json
import math
import shutil
import socket
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.synthetic import BODY_PARTS, MouseMovie
from engine.watch.page.preview import PreviewPage
from engine.watch.status import Status
from readers import FrameStatus, InputError
from readers.live import now_s
from sinks import OverlayStyle, PoseBatch
from sinks.plain_matplotlib import body_part_colors
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
        self.arrival_time_s: float | None = None  # by default, a moment ago

    def publish(self, num_frames: int = 1, *, likelihood: float = 0.9) -> None:
        for _ in range(num_frames):
            index = self.recording.num_arrived
            self.recording.num_arrived += 1
            arrival_time_s = self.arrival_time_s or now_s() - 0.006
            frames = replace(
                frame_batch(index, 1, HEIGHT, WIDTH),
                images=self.movie.image(index)[np.newaxis],
                arrival_time_s=np.array([arrival_time_s]),
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
def browser_page(url: str, server: str | None = None) -> Iterator[Page]:
    """Open the page in a real browser; nothing but its own server may be asked, nor fail."""
    server = server or url
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on(
            "console",
            lambda message: (
                None if READ_BACK_ADVICE in message.text else problems.append(message.text)
            ),
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda request: (
                problems.append(request.url)
                if server not in request.url and not request.url.startswith(("data:", "blob:"))
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


# What the browser says of the test itself, which reads the charts' pixels.
READ_BACK_ADVICE = "willReadFrequently"

# How many pixels of a body part's chart have its color, but for the blending at edges.
NUM_PIXELS = """(index, color) => {
  const chart = document.querySelectorAll(".part canvas")[index];
  const data = chart.getContext("2d").getImageData(0, 0, chart.width, chart.height).data;
  let count = 0;
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 3] > 200 && color.every((level, c) => Math.abs(data[i + c] - level) < 60)) count++;
  return count;
}"""

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
            # Caption and pixels of one moment: the next picture may be on its way.
            caption, url = page.evaluate(
                "() => [document.querySelector('#caption').textContent,"
                " document.querySelector('#picture').toDataURL('image/png')]"
            )
            later = int(_digits(caption)) + 10
            wait_for(
                page,
                "Number(document.querySelector('#caption').textContent.replace(/\\D/g, ''))"
                f" >= {later}",
            )
        finally:
            stop.set()
            pump.join()
    shown = int(_digits(caption))
    image = np.asarray(Image.open(BytesIO(b64decode(url.partition(",")[2]))).convert("RGB"))
    assert image.shape == (HEIGHT, WIDTH, 3)
    colors = body_part_colors(OverlayStyle().color_map, len(BODY_PARTS))
    nose = list(BODY_PARTS).index("nose")
    x, y = np.round(run.movie.key_points(shown)[nose]).astype(int)
    assert np.abs(image[y, x].astype(int) - colors[nose]).max() < 40


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _publish_until(run: LiveRun, stop: threading.Event) -> None:
    while not stop.wait(0.02):  # the pace of a camera
        run.publish()


@pytest.mark.slow
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
        for index, color in enumerate(body_part_colors(OverlayStyle().color_map, len(names))):
            wait_for(page, f"({NUM_PIXELS})({index}, {color.tolist()}) >= 1")
        assert float(page.inner_text("#number-latency-p50-ms")) >= 6.0
        assert "mouse.isxb" in page.title()
        run.status.warn("<b>pictures</b> of another size")
        wait_for(page, "document.querySelector('#warnings li')?.textContent.startsWith('<b>')")

        run.recording.ended_by = "closed"
        wait_for(page, "document.querySelector('#stage').textContent.includes('closed')")
        run.status.end()
        wait_for(page, "document.querySelector('#stage').textContent === 'the run is over'")


@pytest.mark.slow
@needs_chromium
def test_the_page_ends_with_a_browser_connected() -> None:
    run = LiveRun()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        with run.page:
            run.publish(3)
            page.goto(run.page.url)
            wait_for(page, "document.querySelector('#number-published')?.textContent === '3'")
            run.status.end()
            wait_for(page, "document.querySelector('#stage').textContent === 'the run is over'")

        assert _page_threads() == []
        browser.close()


def _page_threads() -> list[str]:
    names = ("preview page", "process_request_thread")  # that which listens; one a connection
    threads = threading.enumerate()
    return [thread.name for thread in threads if any(name in thread.name for name in names)]


@pytest.mark.slow
@needs_chromium
def test_a_browser_that_comes_before_the_recording_is_told_to_wait() -> None:
    page = PreviewPage("0", BODY_PARTS, OverlayStyle(), Status())
    with page, browser_page(page.url) as shown:
        wait_for(
            shown, "document.querySelector('#stage').textContent === 'waiting for a recording'"
        )
        assert shown.inner_text("#caption") == "no picture yet"
        assert shown.inner_text("#number-latency-p50-ms") == "–"
        assert set(shown.locator(".part .now").all_inner_texts()) == {"–"}


def test_the_state_is_json_also_where_arrival_times_or_poses_are_unknown(run: LiveRun) -> None:
    run.arrival_time_s = math.nan
    run.publish(2, likelihood=math.nan)

    state = json.loads(run.get("/state.json")[1], parse_constant=pytest.fail)

    assert state["status"]["num_published"] == 2
    assert state["status"]["latency_ms"] is None


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


@needs_chromium
def test_a_browser_that_was_given_the_token_shows_the_run() -> None:
    run = LiveRun("127.0.0.1:0", TOKEN)
    with run.page:
        run.publish(3)
        address = run.page.url + "?token=" + quote(TOKEN)
        with browser_page(address, run.page.url) as page:
            wait_for(page, "document.querySelector('#number-published')?.textContent === '3'")
            wait_for(page, "document.querySelector('#picture').width === 320")


def test_connections_that_ask_nothing_do_not_keep_the_page_open() -> None:
    run = LiveRun()
    with ExitStack() as stack, run.page:  # the page is closed before the connections
        for _ in range(32):
            stack.enter_context(socket.create_connection(run.place))

    assert _page_threads() == []


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"{port}.*give another port") as raised:
            LiveRun(str(port)).page.__enter__()

    assert "\n" not in str(raised.value)
