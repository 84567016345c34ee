"""A camera's RTSP server (RFC 2326), as small as can be: one viewer, RTP in its connection."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import av

GUARD_S = 20.0
_MOST_RTP_BYTES = 1400
_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "a=control:*\r\nm=video 0 RTP/AVP {payload}\r\n{map}a=control:trackID=0\r\n"
)
_MAPS = {"mjpeg": (26, ""), "h264": (96, "a=rtpmap:96 H264/90000\r\n")}


class _Packets:
    """Notes the RTP packets that FFmpeg writes."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.packets.append(bytes(data))
        return len(data)


def rtp_packets(movie: Path) -> tuple[str, list[bytes]]:
    """Give the description of a movie for RTSP, and its RTP packets."""
    note = _Packets()
    with (
        av.open(str(movie)) as source,
        av.open(cast("str", note), "w", format="rtp", buffer_size=_MOST_RTP_BYTES) as rtp,
    ):
        stream = source.streams.video[0]
        track = rtp.add_stream_from_template(stream)
        payload, described = _MAPS[stream.codec_context.name]
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = track
                rtp.mux(packet)
    is_video = [packet[1] & 0x7F == payload for packet in note.packets]  # rather than RTCP
    packets = [packet for packet, keep in zip(note.packets, is_video, strict=True) if keep]
    return _SDP.format(payload=payload, map=described), packets


@contextmanager
def camera(movie: Path, *, falls_silent: bool = False) -> Iterator[str]:
    """Serve a movie to the first one who asks; give its address.

    With `falls_silent` the camera sends half of it and then keeps the connection open.
    """
    description, packets = rtp_packets(movie)
    may_end = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rwb", buffering=0) as file:
                while (method := _answer(file, description)) != "PLAY":
                    if method is None:
                        return
                try:
                    sent = packets[: len(packets) // 2] if falls_silent else packets
                    for packet in sent:
                        connection.sendall(b"$\x00" + struct.pack(">H", len(packet)) + packet)
                    if falls_silent:
                        may_end.wait(GUARD_S)
                    connection.shutdown(socket.SHUT_WR)
                    while file.read(4096):  # closing at once would take back what was sent
                        pass
                except (BrokenPipeError, ConnectionResetError):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/camera"
        finally:
            may_end.set()
            thread.join(GUARD_S)


def _answer(file: socket.SocketIO, description: str) -> str | None:
    """Answer a request; tell its method, None at the end of the connection."""
    lines = []
    while line := file.readline().decode().strip():
        lines.append(line)
    if not lines:
        return None
    method = lines[0].split()[0]
    headers = dict(line.split(": ", 1) for line in lines[1:])
    answer = ["RTSP/1.0 200 OK", f"CSeq: {headers['CSeq']}"]
    body = ""
    if method == "OPTIONS":
        answer.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
    elif method == "DESCRIBE":
        body = description
        answer += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
    else:
        answer.append("Session: 1")
    if method == "SETUP":
        answer.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
    file.write(("\r\n".join(answer) + "\r\n\r\n" + body).encode())
    return method
