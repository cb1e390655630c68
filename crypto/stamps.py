"""RFC 3161: an authority's word that some bytes were there at a time, asked for and checked. Pure.

A token is the authority's whole answer, a TimeStampResp in strict DER, as ``openssl ts -verify -in`` reads
it; its imprint is a hash of the bytes themselves. Certificates are looked at as of the stamp's own time, so
that a token holds for ever; whether one of them was revoked, nobody asks here.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import rfc3161_client
from cryptography import x509

from crypto.certificates import UNREADABLE
from crypto.errors import StampError

REQUEST_TYPE = "application/timestamp-query"
TOKEN_TYPE = "application/timestamp-reply"  # noqa: S105
LONGEST_TOKEN = 64 * 1024  # bytes

_UNREADABLE = (*UNREADABLE, OverflowError, rfc3161_client.VerificationError)


def request(message: bytes) -> bytes:
    """A TimeStampReq for `message` (not empty), by SHA-512. It has no nonce: an older token about the same
    bytes would be as good."""
    return rfc3161_client.TimestampRequestBuilder().data(message).nonce(nonce=False).build().as_bytes()


class Token:
    """An authority's answer, read but not verified."""

    def __init__(self, data: bytes) -> None:
        """Raises StampError for what is no granted token with the certificate of who signed it."""
        if len(data) > LONGEST_TOKEN:
            raise StampError(f"a time stamp has at most {LONGEST_TOKEN} bytes")
        try:
            self._response = rfc3161_client.decode_timestamp_response(data)
            self._read()
        except _UNREADABLE as error:
            raise StampError("not a time stamp that was granted, in strict DER") from error

    def _read(self) -> None:
        info, signed = self._response.tst_info, self._response.signed_data
        self.time: datetime = info.gen_time
        """What the authority says that it was then, UTC."""
        self.latest = self.time + _accuracy(info.accuracy)
        """How late it may have been by the accuracy that it claims."""
        self.policy: str = info.policy.dotted_string
        self._certificates = [x509.load_der_x509_certificate(each) for each in signed.certificates]
        [signer] = signed.signer_infos
        [own] = [
            each
            for each in self._certificates
            if (each.issuer, each.serial_number) == (signer.issuer, signer.serial_number)
        ]
        self.by: str = own.subject.rfc4514_string()
        """The name in the certificate of who signed it."""

    def names(self, roots: Sequence[x509.Certificate]) -> bool:
        """Whether it claims to come from an authority under one of `roots`."""
        issuers = {each.issuer for each in self._certificates}
        return any(root.subject in issuers for root in roots)

    def verify(self, message: bytes, roots: Sequence[x509.Certificate]) -> None:
        """That it is about `message`, by an authority for time stamps under one of `roots` at the stamp's
        time. Raises StampError."""
        try:
            verifier = rfc3161_client.VerifierBuilder(roots=list(roots)).build()
            verifier.verify_message(self._response, message)
        except _UNREADABLE as error:
            about = str(error) == "Mismatch between messages"
            why = "it is about other bytes" if about else "no authority that is trusted to stamp signed it"
            raise StampError(f"the time stamp does not hold: {why}") from error


def _accuracy(claimed: rfc3161_client.tsp.Accuracy | None) -> timedelta:
    if claimed is None:
        return timedelta()
    return timedelta(
        seconds=claimed.seconds or 0, milliseconds=claimed.millis or 0, microseconds=claimed.micros or 0
    )
