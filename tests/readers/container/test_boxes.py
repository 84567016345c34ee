"""A file that is made of very many parts does not take time without end."""

import pytest

from readers.container import ebml, parts

EMPTY_BOX = b"\x00\x00\x00\x08free\x00\x00\x00\x08free"
RECORDING = ebml.element(ebml.EBML_HEADER, b"") + ebml.element(ebml.SEGMENT, b"")


def test_boxes_without_end_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_MOST_BOXES", 50)

    assert len(list(parts.boxes(lambda _, size: EMPTY_BOX[:size], 0, 2**40))) == 50


def test_recordings_without_end_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_MOST_RECORDINGS", 5)
    data = 9 * RECORDING

    assert (
        len(list(parts.recordings(lambda place, size: data[place : place + size], len(data)))) == 5
    )
