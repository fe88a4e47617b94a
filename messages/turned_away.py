"""Why a caller of the DICOM door was not let in: a word for counts, pages and metrics; never who it says it is."""

from __future__ import annotations

from enum import StrEnum


class TurnedAway(StrEnum):
    """Why the DICOM listener did not let a caller in."""

    ADDRESS = "address"  #: nobody named its address
    CONNECTIONS = "connections"  #: too many connections were open, in all or from its address
    TLS = "tls"  #: it cannot do our TLS, or its certificate is of no authority that we trust
    PROTOCOL = "protocol"  #: it did not ask for an association, or not in time
    CALLED = "called_ae_title"  #: it called us by another AE title
    CALLING = "calling_ae_title"  #: nobody named its AE title with its address
    ASSOCIATIONS = "associations"  #: too many associations stood
