"""What can be wrong with something presented as true.

Every error carries a short stable `code` (kebab-case), which travels into problem details, refusals
and verdicts; the message is one line for a person and never quotes secrets or bid content.
"""


class VerificationError(Exception):
    """Base of all: the thing presented does not hold."""

    code = "not-verified"


class MalformedError(VerificationError):
    """The bytes are not of the form they must have."""

    code = "malformed"


class SignatureError(VerificationError):
    """A signature does not belong to these bytes and this key."""

    code = "signature-invalid"


class CertificateError(VerificationError):
    """A certificate does not chain to the role's root, is out of time, or of another role."""

    code = "certificate-invalid"


class RevokedError(CertificateError):
    """A certificate that its authority has revoked."""

    code = "certificate-revoked"


class StatusError(CertificateError):
    """No revocation list that is in force says whether a certificate counts."""

    code = "status-unknown"


class LockError(VerificationError):
    """A key does not fit a lock, or a capsule was not made for these locks."""

    code = "lock-mismatch"


class CommitteeError(VerificationError):
    """A committee's key, share or partial does not fit its published commitments."""

    code = "committee-invalid"


class BeaconError(VerificationError):
    """A round is not signed by the pinned network, or its time has not come."""

    code = "beacon-invalid"


class StampError(VerificationError):
    """A time stamp that cannot be read, is about other bytes, or is not by the authority it claims."""

    code = "stamp-invalid"


class LogError(VerificationError):
    """The log's proofs, checkpoint or co-signatures do not hold."""

    code = "log-invalid"
