"""What every publisher is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from sinks.base import PoseBatch, ResourceHolder
from sinks.publishing.message import json_messages


class Publisher(ResourceHolder):
    """Tells the poses of a run's movies to other programs as soon as they are there.

    A sink that is open over all movies of a run. No subscriber can make it wait: one that is
    slow misses messages, each of them as a whole, one that is gone is forgotten, and one that
    comes late begins with the next message.

    Parameters
    ----------
    body_parts
        Names in the order of the poses.

    Attributes
    ----------
    address
        Where subscribers find it, as one writes it in a specification; once it is open, with
        the port that the system has chosen where port 0 was asked for.

    Raises
    ------
    InputError
        On entering, if nothing can be published there: the message is one line for the user.
    """

    address: str

    def __init__(self, body_parts: Sequence[str]) -> None:
        self._body_parts = tuple(body_parts)
        self._movie_number = 0

    def begin_movie(self, number: int) -> None:
        """Say which movie of the run the next batches are of, from 0."""
        self._movie_number = number

    @abstractmethod
    def write(self, batch: PoseBatch) -> None:
        """Publish the next batch of the movie, of which the times of arrival must be known.

        Raises
        ------
        ValueError
            If they are not, or the batch has another number of body parts.
        """

    @property
    @abstractmethod
    def num_unsent(self) -> int | None:
        """Messages that slow or gone subscribers did not get, summed; None where nobody knows."""


class MessagePublisher(Publisher):
    """A publisher of messages in JSON, one for each frame."""

    def write(self, batch: PoseBatch) -> None:
        """Publish the next batch of the movie."""
        for message in json_messages(
            batch, movie_number=self._movie_number, body_parts=self._body_parts
        ):
            self.publish(message)

    @abstractmethod
    def publish(self, message: bytes) -> None:
        """Publish a message, which ends with a line break."""
