"""The share page's address, built so that it can hold no identifier of a patient or a study, and asserted to.

`https://{host}/share-study/{organizationId}` and nothing else: no name, number, birth date, accession, e-mail or DICOM
UID. What is shared goes from server to server; at most an opaque one-time launch id is allowed behind it (A-43).

Sources: DICOM PS3.15 Annex E (UIDs are identifiers: action U); HIPAA Safe Harbor, 45 CFR 164.514(b)(2).
"""

from __future__ import annotations

import re

_HOST = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
#: organizationId: a UUID, or a number as OmegaAI gives it.
_ORGANIZATION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{1,12}")
_PAGE = re.compile(rf"https://{_HOST}(?::[0-9]{{2,5}})?/share-study/(?P<organization>{_ORGANIZATION.pattern})")
#: At least 128 bits, in the alphabet of base64url; never with two dots in it, as UIDs have.
_LAUNCH = re.compile(r"[A-Za-z0-9_-]{22,128}")


class UnsafeLink(ValueError):
    """The address is not of the one form that is allowed; the text never repeats it."""


def is_organization(text: str) -> bool:
    """Say whether a text is an organizationId.

    >>> is_organization("4f1c0f6e-9a53-4c8e-8f0f-0d8b2f0c9d11"), is_organization("12"), is_organization("1.2.840")
    (True, True, False)
    """
    return _ORGANIZATION.fullmatch(text) is not None


def organization_of(url: str) -> str | None:
    """Return the organizationId of a well-formed share URL; None where it is not well-formed.

    >>> organization_of("https://share.example/share-study/12")
    '12'
    >>> organization_of("https://share.example/share-study/12?study=1.2.3") is None
    True
    """
    found = _PAGE.fullmatch(url)
    return found["organization"] if found else None


def share_link(url: str, launch: str | None = None) -> str:
    """Return the link to give to a recipient: the site's share URL, and behind it at most a launch id.

    Raises:
        UnsafeLink: it would not be of the allowed form.
    """
    link = url if launch is None else f"{url}?launch={launch}"
    assert_no_phi(link)
    return link


def assert_no_phi(link: str) -> None:
    """Hold a link against the one form that is allowed.

    Raises:
        UnsafeLink: anything else stands in it.
    """
    page, mark, launch = link.partition("?launch=")
    if not _PAGE.fullmatch(page) or (mark and not _LAUNCH.fullmatch(launch)):
        raise UnsafeLink(
            "a share link is https://HOST/share-study/ORGANIZATION, with nothing behind it but a launch id"
        )
