"""The sealed bid: composed and sealed on the bidder's machine, checked unread, opened with both keys.

A bidder's statement over a context (which tender, notice, terms, locks, and whose bid), one capsule and
ciphertext per part, and a list of documents that may follow. The context is authenticated by every
ciphertext, so a copied ciphertext opens under no other name. The content is opaque here.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import msgspec

from bids.errors import EnvelopeError, Unopenable
from crypto.beacon import Network
from crypto.certificates import Role, SigningKey
from crypto.encoding import (
    Base64,
    Hex16,
    Hex32,
    HexG2,
    Identifier,
    Moment,
    RoundNumber,
    Small,
    Value,
    encode,
    from_base64,
    sha256,
    to_base64,
)
from crypto.errors import LockError, MalformedError
from crypto.locks import (
    MESSAGE_SIZE,
    Capsule,
    Layer,
    Lock,
    Opener,
    OpeningOrder,
    decrypt_content,
    encrypt_content,
    mandate_lock,
    seal,
)
from crypto.statements import Payload, sign

NONCE = 16
ENTROPY_PER_PART = 64
TAG = 16
MOST_PARTNERS = 20
MOST_DOCUMENTS = 100
LARGEST_RESTRICTED = 1024 * 1024
"""Bytes of a part's restricted content."""

Part = Literal["bid", "technical", "price"]


class SubmissionTerms(Value, frozen=True, kw_only=True):
    """All that a bid box knows of a tender: what an envelope must be bound to, and its limits."""

    tender: Identifier
    notice: Hex32
    """Id of the tender's first notice."""
    terms: Hex32
    """Digest of the notice with its amendments."""
    parts: tuple[Part, ...]
    network: Network
    round: RoundNumber
    committee: HexG2
    """The committee's public key."""
    content_limit: Small
    """Bytes of content per part."""
    document_limit: Small
    """How many sealed files an envelope may list."""
    document_size: Small = 0
    """Bytes of the largest sealed file."""
    partner_limit: Small = MOST_PARTNERS
    """How many partners a joint bid may have."""

    def order(self, part: Part, bid: str | None) -> OpeningOrder:
        """The opening order that opens `part` of the bid with id `bid`.

        Price parts beside technical parts have an order each, so that the prices of bids which fail the
        technical examination are never opened.
        """
        return OpeningOrder(
            tender=self.tender,
            notice=self.notice,
            part=part,
            round=self.round,
            bid=bid if part == "price" else None,
        )

    def locks(self, part: Part, bid: str) -> tuple[Lock, Lock]:
        """Time and mandate: both are needed to open `part`."""
        order = encode(self.order(part, bid))
        return self.network.lock(int(self.round)), mandate_lock(bytes.fromhex(self.committee), order)


class Context(Value, frozen=True, kw_only=True, tag_field="protocol", tag="openseal/v1"):
    """What every ciphertext of an envelope is bound to."""

    tender: Identifier
    notice: Hex32
    terms: Hex32
    bid: Hex16
    nonce: Hex16
    certificate: Hex32
    chain: Hex32
    round: RoundNumber
    committee: HexG2


class SealedPart(Value, frozen=True, kw_only=True):
    """One part's capsule (U, V, W) and ciphertext (content plus 16 bytes of tag)."""

    part: Part
    u: HexG2
    v: Hex32
    w: Hex32
    ciphertext: Base64

    @property
    def capsule(self) -> Capsule:
        """The capsule as bytes; its point is not checked before opening."""
        return Capsule(u=bytes.fromhex(self.u), v=bytes.fromhex(self.v), w=bytes.fromhex(self.w))


class SealedFile(Value, frozen=True, kw_only=True):
    """A sealed document that belongs to the bid: SHA-256 and size (bytes) of the sealed file."""

    number: Annotated[int, msgspec.Meta(ge=1, le=MOST_DOCUMENTS)]
    sha256: Hex32
    size: Small
    part: Part | None = None
    """Of the restricted content of a part, which part; no part for a document with a key of its own."""

    def id(self, envelope: str) -> str:
        """What the file's commitment is to: the file as part of the envelope with that id.

        ``SHA256("openseal/v1/document\\n" ‖ envelope(32) ‖ uint32_be(number) ‖ sha256(32))``, hex.
        """
        number = self.number.to_bytes(4, "big")
        name = b"openseal/v1/document\n"
        return sha256(name, bytes.fromhex(envelope), number, bytes.fromhex(self.sha256)).hex()


class Envelope(Payload, frozen=True, kw_only=True):
    """The bidder's statement. `previous` is the id of the envelope that this one replaces, or of the
    withdrawal that it comes after."""

    PURPOSE: ClassVar[str] = "bid"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.BUSINESS,)

    context: Context
    parts: Annotated[tuple[SealedPart, ...], msgspec.Meta(min_length=1, max_length=2)]
    documents: Annotated[tuple[SealedFile, ...], msgspec.Meta(max_length=MOST_DOCUMENTS)] = ()
    previous: Hex32 | None = None
    consortium: Annotated[tuple[Hex32, ...], msgspec.Meta(max_length=MOST_PARTNERS)] = ()
    """Certificates of those who bid jointly with the signer: each has signed this very envelope."""


class Withdrawal(Payload, frozen=True, kw_only=True):
    """The bidder takes its bid back: signed by the certificate that signed the envelope `previous`, which is
    the latest of its chain. Another envelope may follow, which names this statement as its `previous`."""

    PURPOSE: ClassVar[str] = "withdrawal"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.BUSINESS,)

    tender: Identifier
    notice: Hex32
    previous: Hex32


class UploadRequest(Payload, frozen=True, kw_only=True):
    """The bidder asks to send the sealed file `number` of its envelope, by any of its certificates.

    Whoever shows the 32 bytes of which `token` is the SHA-256 may send, look at, and break off that upload.
    """

    PURPOSE: ClassVar[str] = "upload"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.BUSINESS,)

    tender: Identifier
    notice: Hex32
    envelope: Hex32
    number: Annotated[int, msgspec.Meta(ge=1, le=MOST_DOCUMENTS)]
    token: Hex32
    time: Moment


class CoSignature(Payload, frozen=True, kw_only=True):
    """A partner's word that the envelope with that id is its bid, too: made before the envelope is sent."""

    PURPOSE: ClassVar[str] = "co-signature"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.BUSINESS,)

    tender: Identifier
    notice: Hex32
    envelope: Hex32
    time: Moment


def entropy_size(terms: SubmissionTerms) -> int:
    """How many random bytes `compose` takes."""
    return NONCE + ENTROPY_PER_PART * len(terms.parts)


def compose(
    contents: Mapping[Part, bytes],
    terms: SubmissionTerms,
    key: SigningKey,
    entropy: bytes,
    previous: str | None = None,
    consortium: Sequence[str] = (),
    documents: Sequence[SealedFile] = (),
) -> bytes:
    """Seal `contents` (one per part of `terms`) and sign the envelope; returns the DSSE bytes.

    `entropy` are fresh random bytes, `entropy_size(terms)` of them; `consortium` are the fingerprints of
    the partners' certificates, `documents` the sealed files that are to follow. Raises EnvelopeError for
    what the terms do not admit.
    """
    context, parts = _sealed(contents, terms, key.fingerprint, entropy)
    envelope = Envelope(
        signer=key.fingerprint,
        context=context,
        parts=parts,
        previous=previous,
        consortium=tuple(consortium),
        documents=tuple(documents),
    )
    check(envelope, terms)
    return sign(envelope, key)


def seal_restricted(
    contents: Mapping[Part, bytes], terms: SubmissionTerms, fingerprint: str, entropy: bytes
) -> dict[Part, bytes]:
    """Of each part's restricted content the sealed file: for the `documents` of the envelope that `compose`
    makes with the same `entropy` and the key of that fingerprint, and of no other. Raises EnvelopeError.
    """
    if not set(contents) <= set(terms.parts):
        raise EnvelopeError("wrong-parts", f"this tender takes the parts {', '.join(terms.parts)}")
    context = _context(terms, fingerprint, _checked(entropy, terms)[:NONCE])
    return {
        part: _seal_restricted(content, part, context, terms, entropy) for part, content in contents.items()
    }


def verify_sealed(
    envelope: Envelope,
    contents: Mapping[Part, bytes],
    terms: SubmissionTerms,
    entropy: bytes,
    restricted: Mapping[Part, bytes] | None = None,
) -> None:
    """The envelope seals exactly `contents`, with the random bytes that `compose` took, and lists exactly
    the restricted contents of parts that are shown.

    So somebody else than who sealed it can tell before the keys exist. Raises EnvelopeError.
    """
    check(envelope, terms)
    files = seal_restricted(restricted or {}, terms, envelope.signer, entropy)
    listed = {each.part: (each.sha256, each.size) for each in envelope.documents if each.part}
    sealed = _sealed(contents, terms, envelope.signer, entropy)
    shown = {part: (sha256(file).hex(), len(file)) for part, file in files.items()}
    if (envelope.context, envelope.parts) != sealed or listed != shown:
        raise EnvelopeError("sealed-otherwise", "the envelope seals something else than what is shown")


def check(envelope: Envelope, terms: SubmissionTerms) -> None:
    """Everything that can be said of a sealed envelope without its keys. Raises EnvelopeError."""
    expected = _context(terms, envelope.signer, bytes.fromhex(envelope.context.nonce))
    for field in expected.__struct_fields__:
        if getattr(envelope.context, field) != getattr(expected, field):
            raise EnvelopeError(f"wrong-{field}", f"the envelope's {field} is not this tender's or signer's")
    if tuple(part.part for part in envelope.parts) != terms.parts:
        raise EnvelopeError("wrong-parts", f"this tender takes the parts {', '.join(terms.parts)}")
    for part in envelope.parts:
        _check_size(len(from_base64(part.ciphertext)) - TAG, terms)
    _check_documents(envelope, terms)
    _check_consortium((envelope.signer, *envelope.consortium), terms)


def open_part(envelope: Envelope, part: Part, opener: Opener) -> bytes:
    """The content of one part. Raises Unopenable with the first reason of a fixed order of checks.

    A function of the envelope and the opening keys alone: no clock, no locale, so everybody comes to
    the same reason. Raises MalformedError for an envelope that `check` would not have let in.
    """
    sealed = _part(envelope, part)
    return _opened(envelope, sealed, opener, from_base64(sealed.ciphertext), "content")


def open_restricted(envelope: Envelope, part: Part, opener: Opener, file: bytes) -> bytes:
    """The restricted content of one part out of its sealed `file`. Raises Unopenable as `open_part` does, or
    MalformedError for an envelope without that part."""
    return _opened(envelope, _part(envelope, part), opener, file, "restricted")


def part_context(context: Context, part: Part) -> bytes:
    """The bytes that one part's key and ciphertext are bound to: the context with its `part`."""
    return encode({**msgspec.to_builtins(context), "part": part})


def bid_id(fingerprint: str, nonce: bytes) -> str:
    """``SHA256("openseal/v1/bid-id\\n" ‖ fingerprint ‖ nonce)[:16]``, hex."""
    return sha256(b"openseal/v1/bid-id\n", bytes.fromhex(fingerprint), nonce)[:16].hex()


def _context(terms: SubmissionTerms, fingerprint: str, nonce: bytes) -> Context:
    return Context(
        tender=terms.tender,
        notice=terms.notice,
        terms=terms.terms,
        bid=bid_id(fingerprint, nonce),
        nonce=nonce.hex(),
        certificate=fingerprint,
        chain=terms.network.chain_hash,
        round=terms.round,
        committee=terms.committee,
    )


def _sealed(
    contents: Mapping[Part, bytes], terms: SubmissionTerms, fingerprint: str, entropy: bytes
) -> tuple[Context, tuple[SealedPart, ...]]:
    if set(contents) != set(terms.parts):
        raise EnvelopeError("wrong-parts", f"this tender takes the parts {', '.join(terms.parts)}")
    context = _context(terms, fingerprint, _checked(entropy, terms)[:NONCE])
    parts = [_seal_part(contents[part], part, context, terms, entropy) for part in terms.parts]
    return context, tuple(parts)


def _seal_part(
    content: bytes, part: Part, context: Context, terms: SubmissionTerms, entropy: bytes
) -> SealedPart:
    _check_size(len(content), terms)
    message, capsule = _capsule(part, context, terms, entropy)
    ciphertext = encrypt_content(message, part_context(context, part), capsule, content)
    return SealedPart(
        part=part,
        u=capsule.u.hex(),
        v=capsule.v.hex(),
        w=capsule.w.hex(),
        ciphertext=to_base64(ciphertext),
    )


def _seal_restricted(
    content: bytes, part: Part, context: Context, terms: SubmissionTerms, entropy: bytes
) -> bytes:
    _check_restricted(len(content))
    message, capsule = _capsule(part, context, terms, entropy)
    return encrypt_content(message, part_context(context, part), capsule, content, "restricted")


def _capsule(part: Part, context: Context, terms: SubmissionTerms, entropy: bytes) -> tuple[bytes, Capsule]:
    """The part's message, and the capsule that holds it: the same whenever the entropy is."""
    own = entropy[NONCE + ENTROPY_PER_PART * terms.parts.index(part) :][:ENTROPY_PER_PART]
    message, sigma = own[:MESSAGE_SIZE], own[MESSAGE_SIZE:]
    return message, seal(terms.locks(part, context.bid), message, sigma)


def _checked(entropy: bytes, terms: SubmissionTerms) -> bytes:
    if len(entropy) != entropy_size(terms):
        raise EnvelopeError("wrong-entropy", f"sealing takes {entropy_size(terms)} random bytes")
    return entropy


def _part(envelope: Envelope, part: Part) -> SealedPart:
    sealed = next((each for each in envelope.parts if each.part == part), None)
    if sealed is None:  # nobody accepted it, but a dishonest record can hold one
        raise MalformedError(f"the envelope has no part {part}")
    return sealed


def _opened(envelope: Envelope, sealed: SealedPart, opener: Opener, ciphertext: bytes, layer: Layer) -> bytes:
    context = part_context(envelope.context, sealed.part)
    try:
        message = opener.open(sealed.capsule)
    except MalformedError as error:
        raise Unopenable("point-invalid") from error
    except LockError as error:
        raise Unopenable("locked-otherwise") from error
    try:
        return decrypt_content(message, context, sealed.capsule, ciphertext, layer)
    except LockError as error:
        raise Unopenable("ciphertext-invalid") from error


def _check_documents(envelope: Envelope, terms: SubmissionTerms) -> None:
    """Numbered 1, 2, …; the restricted content of a part is one file at most."""
    files = envelope.documents
    if len(files) > terms.document_limit:
        raise EnvelopeError("too-many-documents", f"this tender takes {terms.document_limit} documents")
    if [each.number for each in files] != list(range(1, len(files) + 1)):
        raise EnvelopeError("wrong-numbers", "documents are numbered from 1, without gaps")
    if any(each.size > terms.document_size for each in files):
        raise EnvelopeError("document-too-large", f"a sealed file has at most {terms.document_size} bytes")
    restricted = [each.part for each in files if each.part is not None]
    for each in files:
        if each.part is not None:
            _check_restricted(each.size - TAG)
    if len(set(restricted)) != len(restricted) or not set(restricted) <= set(terms.parts):
        raise EnvelopeError("wrong-restricted", "each part has restricted content once at most")


def _check_restricted(size: int) -> None:
    if not 0 <= size <= LARGEST_RESTRICTED:
        raise EnvelopeError("wrong-size", f"restricted content has at most {LARGEST_RESTRICTED} bytes")


def _check_consortium(bidders: Sequence[str], terms: SubmissionTerms) -> None:
    if len(bidders) > 1 + terms.partner_limit:
        most = f"at most {terms.partner_limit} partners" if terms.partner_limit else "no partners"
        raise EnvelopeError("too-many-partners", f"this tender takes bids with {most}")
    if len(set(bidders)) != len(bidders):
        raise EnvelopeError("partner-twice", "a joint bid names one bidder twice")


def _check_size(size: int, terms: SubmissionTerms) -> None:
    if not 0 <= size <= terms.content_limit:
        raise EnvelopeError("wrong-size", f"a part's content has at most {terms.content_limit} bytes")
