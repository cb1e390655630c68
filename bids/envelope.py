"""The sealed bid: composed and sealed on the bidder's machine, checked unread, opened with both keys.

A bidder's statement over a context (which tender, notice, terms, locks, and whose bid), one capsule and
ciphertext per part, and a list of documents that may follow. The context is authenticated by every
ciphertext, so a copied ciphertext opens under no other name. The content is opaque here.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, ClassVar, Literal, get_args

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
MOST_LOTS = 100
LARGEST_RESTRICTED = 1024 * 1024
"""Bytes of a part's restricted content."""

Part = Literal["bid", "technical", "price"]
"""What opens at one time, of all bids."""
Section = str
"""What is sealed apart within an envelope, by its name: a part, or the part of one lot (`price-LOT`)."""


def section(part: str, lot: str | None = None) -> Section:
    """The name of a part, or of its share for one lot."""
    return part if lot is None else f"{part}-{lot}"


def place(section: Section) -> tuple[Part, str | None]:
    """Part and lot of what `section` names. Raises MalformedError where it names no part."""
    name, apart, lot = section.partition("-")
    for part in get_args(Part):
        if part == name:
            return part, lot if apart else None
    raise MalformedError(f"an envelope has no part {name[:64]}")


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
    lots: tuple[Identifier, ...] = ()
    """The lots with a price part each, in their order; none where one price part holds all of them."""

    @property
    def sections(self) -> tuple[Section, ...]:
        """Everything that an envelope may seal apart, in its order."""
        return sections(self.parts, self.lots)

    def order(self, section: Section, bid: str | None) -> OpeningOrder:
        """The opening order that opens `section` of the bid with id `bid`.

        Price parts beside technical parts have an order each, so that the prices of bids which fail the
        technical examination are never opened: of every lot one, where a bid may fail in one lot alone.
        """
        part, lot = place(section)
        return OpeningOrder(
            tender=self.tender,
            notice=self.notice,
            lot=lot,
            part=part,
            round=self.round,
            bid=bid if part == "price" else None,
        )

    def locks(self, section: Section, bid: str) -> tuple[Lock, Lock]:
        """Time and mandate: both are needed to open `section`."""
        order = encode(self.order(section, bid))
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
    """The capsule (U, V, W) and ciphertext (content plus 16 bytes of tag) of a part, or of one lot's."""

    part: Part
    lot: Identifier | None = None
    u: HexG2
    v: Hex32
    w: Hex32
    ciphertext: Base64

    @property
    def section(self) -> Section:
        """Its name."""
        return section(self.part, self.lot)

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
    lot: Identifier | None = None
    """Of the restricted content of a lot's price part, which lot's."""

    def __post_init__(self) -> None:
        if self.lot is not None and self.part != "price":
            raise MalformedError("a sealed file is of a lot only if it is of a price part")

    @classmethod
    def restricted(cls, number: int, section: Section, file: bytes) -> "SealedFile":
        """The restricted content of a section, sealed, as its envelope lists it."""
        part, lot = place(section)
        return cls(number=number, sha256=sha256(file).hex(), size=len(file), part=part, lot=lot)

    @property
    def section(self) -> Section | None:
        """Of restricted content, the name of the part it is of."""
        return None if self.part is None else section(self.part, self.lot)

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
    parts: Annotated[tuple[SealedPart, ...], msgspec.Meta(min_length=1, max_length=1 + MOST_LOTS)]
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


def sections(parts: Sequence[Part], lots: Sequence[str]) -> tuple[Section, ...]:
    """The names of the `parts`, and in place of the price part those of each lot's where there are `lots`."""
    prices = [section("price", lot) for lot in lots] or ["price"]
    return tuple(name for part in parts for name in (prices if part == "price" else [part]))


def entropy_size(terms: SubmissionTerms) -> int:
    """How many random bytes `compose` takes: for every section some, whether it is sealed or not."""
    return NONCE + ENTROPY_PER_PART * len(terms.sections)


def compose(
    contents: Mapping[Section, bytes],
    terms: SubmissionTerms,
    key: SigningKey,
    entropy: bytes,
    previous: str | None = None,
    consortium: Sequence[str] = (),
    documents: Sequence[SealedFile] = (),
) -> bytes:
    """Seal `contents` (one per part of `terms`; of lots with a part each those that are bid for) and sign the
    envelope; returns the DSSE bytes.

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
    contents: Mapping[Section, bytes], terms: SubmissionTerms, fingerprint: str, entropy: bytes
) -> dict[Section, bytes]:
    """Of each part's restricted content the sealed file: for the `documents` of the envelope that `compose`
    makes with the same `entropy` and the key of that fingerprint, and of no other. Raises EnvelopeError.
    """
    if not set(contents) <= set(terms.sections):
        raise _wrong_parts(terms)
    context = _context(terms, fingerprint, _checked(entropy, terms)[:NONCE])
    return {
        name: _seal_restricted(content, name, context, terms, entropy) for name, content in contents.items()
    }


def verify_sealed(
    envelope: Envelope,
    contents: Mapping[Section, bytes],
    terms: SubmissionTerms,
    entropy: bytes,
    restricted: Mapping[Section, bytes] | None = None,
) -> None:
    """The envelope seals exactly `contents`, with the random bytes that `compose` took, and lists exactly
    the restricted contents of parts that are shown.

    So somebody else than who sealed it can tell before the keys exist. Raises EnvelopeError.
    """
    check(envelope, terms)
    files = seal_restricted(restricted or {}, terms, envelope.signer, entropy)
    listed = {each.section: (each.sha256, each.size) for each in envelope.documents if each.section}
    sealed = _sealed(contents, terms, envelope.signer, entropy)
    shown = {name: (sha256(file).hex(), len(file)) for name, file in files.items()}
    if (envelope.context, envelope.parts) != sealed or listed != shown:
        raise EnvelopeError("sealed-otherwise", "the envelope seals something else than what is shown")


def check(envelope: Envelope, terms: SubmissionTerms) -> None:
    """Everything that can be said of a sealed envelope without its keys. Raises EnvelopeError."""
    expected = _context(terms, envelope.signer, bytes.fromhex(envelope.context.nonce))
    for field in expected.__struct_fields__:
        if getattr(envelope.context, field) != getattr(expected, field):
            raise EnvelopeError(f"wrong-{field}", f"the envelope's {field} is not this tender's or signer's")
    names = [each.section for each in envelope.parts]
    if names != _in_order(names, terms):
        raise _wrong_parts(terms)
    _check_sizes(envelope, terms)
    _check_documents(envelope, terms)
    _check_consortium((envelope.signer, *envelope.consortium), terms)


def open_part(envelope: Envelope, section: Section, opener: Opener) -> bytes:
    """The content of one section. Raises Unopenable with the first reason of a fixed order of checks.

    A function of the envelope and the opening keys alone: no clock, no locale, so everybody comes to
    the same reason. Raises MalformedError for an envelope that `check` would not have let in.
    """
    sealed = _part(envelope, section)
    return _opened(envelope, sealed, opener, from_base64(sealed.ciphertext), "content")


def open_restricted(envelope: Envelope, section: Section, opener: Opener, file: bytes) -> bytes:
    """The restricted content of one section out of its sealed `file`. Raises Unopenable as `open_part` does,
    or MalformedError for an envelope without that section."""
    return _opened(envelope, _part(envelope, section), opener, file, "restricted")


def part_context(context: Context, section: Section) -> bytes:
    """The bytes that a section's key and ciphertext are bound to: the context with its `part` and, where it
    is one lot's, its `lot`."""
    part, lot = place(section)
    own = {"part": part} if lot is None else {"part": part, "lot": lot}
    return encode({**msgspec.to_builtins(context), **own})


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
    contents: Mapping[Section, bytes], terms: SubmissionTerms, fingerprint: str, entropy: bytes
) -> tuple[Context, tuple[SealedPart, ...]]:
    names = _in_order(contents, terms)
    context = _context(terms, fingerprint, _checked(entropy, terms)[:NONCE])
    return context, tuple(_seal_part(contents[name], name, context, terms, entropy) for name in names)


def _seal_part(
    content: bytes, name: Section, context: Context, terms: SubmissionTerms, entropy: bytes
) -> SealedPart:
    message, capsule = _capsule(name, context, terms, entropy)
    ciphertext = encrypt_content(message, part_context(context, name), capsule, content)
    part, lot = place(name)
    return SealedPart(
        part=part,
        lot=lot,
        u=capsule.u.hex(),
        v=capsule.v.hex(),
        w=capsule.w.hex(),
        ciphertext=to_base64(ciphertext),
    )


def _seal_restricted(
    content: bytes, name: Section, context: Context, terms: SubmissionTerms, entropy: bytes
) -> bytes:
    _check_restricted(len(content))
    message, capsule = _capsule(name, context, terms, entropy)
    return encrypt_content(message, part_context(context, name), capsule, content, "restricted")


def _capsule(
    name: Section, context: Context, terms: SubmissionTerms, entropy: bytes
) -> tuple[bytes, Capsule]:
    """The section's message, and the capsule that holds it: the same whenever the entropy is."""
    own = entropy[NONCE + ENTROPY_PER_PART * terms.sections.index(name) :][:ENTROPY_PER_PART]
    message, sigma = own[:MESSAGE_SIZE], own[MESSAGE_SIZE:]
    return message, seal(terms.locks(name, context.bid), message, sigma)


def _checked(entropy: bytes, terms: SubmissionTerms) -> bytes:
    if len(entropy) != entropy_size(terms):
        raise EnvelopeError("wrong-entropy", f"sealing takes {entropy_size(terms)} random bytes")
    return entropy


def _in_order(names: Collection[Section], terms: SubmissionTerms) -> list[Section]:
    """The sections of that name as they stand in an envelope: of every part of the tender, and of lots with a
    part each at least one. Raises EnvelopeError for other names."""
    found = [each for each in terms.sections if each in names]
    if len(found) != len(names) or {place(each)[0] for each in found} != set(terms.parts):
        raise _wrong_parts(terms)
    return found


def _wrong_parts(terms: SubmissionTerms) -> EnvelopeError:
    each = ", the price of each lot apart" if terms.lots else ""
    return EnvelopeError("wrong-parts", f"this tender takes the parts {', '.join(terms.parts)}{each}")


def _part(envelope: Envelope, name: Section) -> SealedPart:
    sealed = next((each for each in envelope.parts if each.section == name), None)
    if sealed is None:  # nobody accepted it, but a dishonest record can hold one
        raise MalformedError(f"the envelope has no part {name}")
    return sealed


def _opened(envelope: Envelope, sealed: SealedPart, opener: Opener, ciphertext: bytes, layer: Layer) -> bytes:
    context = part_context(envelope.context, sealed.section)
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
    restricted = [each.section for each in files if each.section is not None]
    for each in files:
        if each.section is not None:
            _check_restricted(each.size - TAG)
    sealed = {each.section for each in envelope.parts}
    if len(set(restricted)) != len(restricted) or not set(restricted) <= sealed:
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


def _check_sizes(envelope: Envelope, terms: SubmissionTerms) -> None:
    """A part's content, of all its lots together, is within the limit: more lots make no larger bid."""
    sizes = [(each.part, len(from_base64(each.ciphertext)) - TAG) for each in envelope.parts]
    together = [sum(size for of, size in sizes if of == part) for part in terms.parts]
    if min(size for _, size in sizes) < 0 or max(together) > terms.content_limit:
        raise EnvelopeError("wrong-size", f"a part's content has at most {terms.content_limit} bytes")
