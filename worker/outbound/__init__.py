"""Requests to where clients point: guarded, so that nobody reaches what is not public by us.

    from worker import outbound

    client = await outbound.client()             # httpx2.AsyncClient, shared by all of this loop
    request = client.build_request("GET", url, headers=...)
    answer = await outbound.fetch(request, seconds=30, max_bytes=262_144)
    async with client.stream("GET", url) as response:        # larger ones, piece by piece
        async for piece in response.aiter_raw(): ...

Whatever is sent by this client is guarded: only http and https, no credentials in URLs, and only
public addresses and what HTTP_ALLOW_HOSTS opens. A name is looked up once for each connection; if
one of its addresses is not open, nothing is sent. The connection goes to an address that was
looked at, while Host and TLS keep the name. There are no proxies, no cookies, and no redirects:
with `follow_redirects=True` up to three are followed, and each is guarded like the first.

Raises outbound.Refused where a request may not go, and outbound.NoAnswer (`fetch`) or
httpx2.HTTPError (the client) when there is no answer. Neither tells headers or the query. A
handler may let the first two pass: Refused fails the task for good, NoAnswer the attempt.
"""

from worker.outbound.client import client
from worker.outbound.fetching import Answer, NoAnswer, fetch
from worker.outbound.guard import Refused

__all__ = ["Answer", "NoAnswer", "Refused", "client", "fetch"]
