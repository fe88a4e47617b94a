"""How an association is asked for and granted: bytes in, bytes out; the PDUs and the rules are pynetdicom's.

Its sockets and threads are not used (docs/decisions/0030). Source: DICOM PS3.8 9.3.2 to 9.3.4; PS3.7 Annex D.3.3.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import (
    PresentationContext,
    build_context,
    build_role,
    negotiate_as_acceptor,
    negotiate_as_requestor,
)

from connectors import dicom_pdu
from connectors.dicom_part10 import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from connectors.dicom_pdu import ProtocolError
from connectors.dicom_status import rejection

# They may write what a peer sent; what goes wrong is said by us, without it.
for _name in ("pynetdicom", "pydicom"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

#: The longest P-DATA-TF that we read: bytes of its body.
MAX_LENGTH = 131_072
#: Presentation contexts that one association may have: odd numbers of one byte (PS3.8 9.3.2.2).
MAX_CONTEXTS = 128

_APPLICATION_CONTEXT = UID("1.2.840.10008.3.1.1.1")


class AssociationRejected(ConnectionRefusedError):
    """The peer's A-ASSOCIATE-RJ; nothing has been asked."""

    def __init__(self, result: int, source: int, reason: int) -> None:
        super().__init__(rejection(result, source, reason))
        #: The peer will say the same again until somebody changes its configuration or ours.
        self.is_permanent = result == 1


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context that we ask for: what is to be said, and in which of these encodings."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    #: We want to be its SCP too, as a C-GET needs (PS3.7 D.3.3.4).
    as_scp: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context that both agreed to."""

    number: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """An association that stands."""

    contexts: Mapping[int, Context]
    #: Longest P-DATA-TF that the peer reads; 0: any.
    max_length: int

    def context(self, abstract_syntax: str, transfer_syntax: str | None = None) -> Context | None:
        """Return the context for a class, in an encoding where one is given; None when there is none."""
        for context in self.contexts.values():
            if context.abstract_syntax == abstract_syntax and transfer_syntax in {None, context.transfer_syntax}:
                return context
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An A-ASSOCIATE-RQ of a peer."""

    calling_ae_title: str
    called_ae_title: str
    max_length: int
    contexts: Sequence[PresentationContext] = field(repr=False)
    roles: Mapping[UID, tuple[bool | None, bool | None]] = field(repr=False)


def request(calling: str, called: str, proposals: Sequence[Proposal]) -> bytes:
    """Return an A-ASSOCIATE-RQ for up to 128 proposals."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = _APPLICATION_CONTEXT
    primitive.calling_ae_title, primitive.called_ae_title = calling, called
    primitive.presentation_context_definition_list = _contexts(proposals)
    scp = dict.fromkeys(proposal.abstract_syntax for proposal in proposals if proposal.as_scp)
    primitive.user_information = [*_about_us(), *(build_role(uid, scu_role=False, scp_role=True) for uid in scp)]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()


def read_answer(kind: int, pdu: bytes, proposals: Sequence[Proposal]) -> Agreement:
    """Return what the peer's answer to our request agrees to.

    Raises:
        AssociationRejected: it rejects.
        ProtocolError: it is no answer to an A-ASSOCIATE-RQ.
    """
    if kind == dicom_pdu.ASSOCIATE_RJ:
        rejected = _decoded(A_ASSOCIATE_RJ(), pdu)
        raise AssociationRejected(rejected.result or 1, rejected.result_source or 1, rejected.diagnostic or 1)
    if kind != dicom_pdu.ASSOCIATE_AC:
        raise ProtocolError("the peer does not answer the request for an association")
    accepted = _decoded(A_ASSOCIATE_AC(), pdu)
    asked = _contexts(proposals)
    for context, proposal in zip(asked, proposals, strict=True):
        if proposal.as_scp:
            context.scu_role, context.scp_role = False, True
    agreed = negotiate_as_requestor(asked, accepted.presentation_context_definition_results_list, _roles(accepted))
    usable = (cx for cx in agreed if cx.result == 0 and (cx.as_scp or not cx.scp_role))
    return Agreement(contexts=_by_number(usable), max_length=accepted.maximum_length_received or 0)


def read_request(pdu: bytes) -> Asked:
    """Return what a peer asks for.

    Raises:
        ProtocolError: it is no A-ASSOCIATE-RQ.
    """
    asked = _decoded(A_ASSOCIATE_RQ(), pdu)
    return Asked(
        calling_ae_title=asked.calling_ae_title.strip(),
        called_ae_title=asked.called_ae_title.strip(),
        max_length=asked.maximum_length_received or 0,
        contexts=asked.presentation_context_definition_list,
        roles=_roles(asked),
    )


def grant(asked: Asked, supported: Sequence[PresentationContext]) -> tuple[bytes, Agreement]:
    """Return the A-ASSOCIATE-AC for what we support of what a peer asks, and what it agrees to."""
    contexts, roles = negotiate_as_acceptor(list(asked.contexts), list(supported), dict(asked.roles))
    primitive = A_ASSOCIATE()
    primitive.application_context_name = _APPLICATION_CONTEXT
    primitive.calling_ae_title, primitive.called_ae_title = asked.calling_ae_title, asked.called_ae_title
    primitive.result, primitive.result_source = 0, 1
    primitive.presentation_context_definition_results_list = contexts
    primitive.user_information = [*_about_us(), *roles]
    pdu = A_ASSOCIATE_AC()
    pdu.from_primitive(primitive)
    accepted = _by_number(context for context in contexts if context.result == 0)
    return pdu.encode(), Agreement(contexts=accepted, max_length=asked.max_length)


def support(
    abstract_syntax: str, transfer_syntaxes: Sequence[str], *, peer_is_scp: bool = False
) -> PresentationContext:
    """Return a context that we accept; with `peer_is_scp` the peer may be the class's SCP, as for its reports."""
    context = build_context(abstract_syntax, list(transfer_syntaxes))
    if peer_is_scp:
        context.scu_role, context.scp_role = False, True
    return context


def _contexts(proposals: Sequence[Proposal]) -> list[PresentationContext]:
    contexts = []
    for n, proposal in enumerate(proposals):
        context = build_context(proposal.abstract_syntax, list(proposal.transfer_syntaxes))
        context.context_id = 2 * n + 1
        contexts.append(context)
    return contexts


def _by_number(contexts: Iterable[PresentationContext]) -> dict[int, Context]:
    return {
        cx.context_id: Context(cx.context_id, str(cx.abstract_syntax), str(cx.transfer_syntax[0]))
        for cx in contexts
        if cx.context_id is not None
    }


def _about_us() -> list[
    MaximumLengthNotification
    | ImplementationClassUIDNotification
    | ImplementationVersionNameNotification
    | SCP_SCU_RoleSelectionNegotiation
]:
    length, name = MaximumLengthNotification(), ImplementationVersionNameNotification()
    length.maximum_length_received = MAX_LENGTH
    name.implementation_version_name = IMPLEMENTATION_NAME
    uid = ImplementationClassUIDNotification()
    uid.implementation_class_uid = UID(IMPLEMENTATION_UID)
    return [length, uid, name]


def _roles(primitive: A_ASSOCIATE) -> dict[UID, tuple[bool | None, bool | None]]:
    items = (item for item in primitive.user_information if isinstance(item, SCP_SCU_RoleSelectionNegotiation))
    return {item.sop_class_uid: (bool(item.scu_role), bool(item.scp_role)) for item in items if item.sop_class_uid}


def _decoded(pdu: A_ASSOCIATE_RQ | A_ASSOCIATE_AC | A_ASSOCIATE_RJ, data: bytes) -> A_ASSOCIATE:
    try:
        pdu.decode(data)
        return pdu.to_primitive()
    except Exception as error:  # noqa: BLE001 - the library raises many kinds for what a peer may send
        raise ProtocolError(f"the negotiation cannot be read ({type(error).__name__})") from None
