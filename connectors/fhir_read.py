"""Reads the resources of a type from a FHIR R4 server, page by page: all of them, or what has changed since.

Source: FHIR R4 search.html (3.1.1.4.2 _lastUpdated, 3.1.1.5.4 paging), http.html (Prefer: handling=strict).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from connectors.fhir_client import FORM, STRICTLY, Call, FhirClient
from connectors.fhir_envelope import is_id
from connectors.fhir_reply import read_matches, read_refusal, read_resource

#: Pages after which a server is taken to lead in a circle.
MOST_PAGES = 10_000


async def read_all(
    client: FhirClient, base: str, kind: str, criteria: Sequence[tuple[str, str]] = (), *, page: int = 200
) -> AsyncIterator[dict[str, Any]]:
    """Yield the resources of a type that match. One that changes meanwhile may come twice: the later one counts.

    Raises:
        OSError: not reached, refused with a status, or the pages are none.
    """
    form = [*criteria, ("_sort", "_lastUpdated"), ("_count", str(page))]
    call: Call | None = Call(
        method="POST", path=f"/{kind}/_search", content=urlencode(form).encode(), content_type=FORM, headers=STRICTLY,
        repeatable=True,
    )  # fmt: skip
    for _ in range(MOST_PAGES):
        if call is None:
            return
        answer = await client.ask(call, "")
        if read_refusal(answer) is not None:
            raise ConnectionError(f"{kind} will not be searched ({answer.status})")
        for resource in read_matches(answer, kind):
            if not is_id(resource.get("id")):
                raise ConnectionError(f"the server's page holds a {kind} without an id")
            yield resource
        call = next_page(read_resource(answer), base)
    raise ConnectionError(f"the pages of {kind} have no end")


def next_page(bundle: Mapping[str, Any], base: str) -> Call | None:
    """Return the call for the next page, its address verbatim; it must lie on the same server."""
    links = bundle.get("link") or []
    url = next((str(link.get("url")) for link in links if link.get("relation") == "next"), None)
    if url is None:
        return None
    if not url.startswith((f"{base}/", f"{base}?")):
        raise ConnectionError("the server's next page lies elsewhere; no token is carried there")
    return Call(method="GET", path=url.removeprefix(base), headers=STRICTLY, repeatable=True)
