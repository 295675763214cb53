"""The body of a server's answer, read no further than to a bound, also where it is compressed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

EITHER = 47  # zlib's word for: gzip or zlib, whichever the first bytes say
PACKED = {"gzip", "x-gzip", "deflate"}


class Unreadable(Exception):
    """A body is packed in a way that was not asked for and cannot be unpacked within bounds."""


class TooLarge(Unreadable):
    """A body goes on beyond its bound; `beginning` is what was read of it."""

    def __init__(self, content: bytes, most: int) -> None:
        super().__init__(f"more than {most:,} bytes, the most that is read for this request")
        self.beginning = content[:most].decode("utf-8", "replace")


async def read_body(reply: httpx2.Response, most: int) -> str:
    """The text of a body.

    Raises:
        TooLarge: it has more than `most` bytes, unpacked.
        Unreadable: it is packed otherwise than by gzip or deflate, or not really by these.
    """
    encoding = reply.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {*PACKED, "identity", ""}:
        raise Unreadable(f"in the encoding {encoding!r}, which was not asked for")
    unpacker = zlib.decompressobj(EITHER) if encoding in PACKED else None
    content = bytearray()
    async for chunk in reply.aiter_raw():
        try:
            content += unpacker.decompress(chunk, most + 1) if unpacker else chunk
        except zlib.error as error:
            raise Unreadable(f"in {encoding} that is none ({error})") from None
        if len(content) > most:
            raise TooLarge(bytes(content), most)
    return content.decode("utf-8", "replace")
