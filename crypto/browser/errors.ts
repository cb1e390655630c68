/** What can be wrong with something presented as true: the twins of `crypto/errors.py`, with the same codes.
 * The message is one line for a person and never quotes secrets or bid content. */

export class VerificationError extends Error {
  readonly code: string = "not-verified";
}

/** The bytes are not of the form they must have. */
export class MalformedError extends VerificationError {
  override readonly code: string = "malformed";
}

/** A signature does not belong to these bytes and this key. */
export class SignatureError extends VerificationError {
  override readonly code: string = "signature-invalid";
}

/** A certificate does not chain to the role's root, is out of time, or of another role. */
export class CertificateError extends VerificationError {
  override readonly code: string = "certificate-invalid";
}

/** A certificate that its authority has revoked. */
export class RevokedError extends CertificateError {
  override readonly code: string = "certificate-revoked";
}

/** No revocation list that is in force says whether a certificate counts. */
export class StatusError extends CertificateError {
  override readonly code: string = "status-unknown";
}

/** A key does not fit a lock, or a capsule was not made for these locks. */
export class LockError extends VerificationError {
  override readonly code: string = "lock-mismatch";
}

/** A committee's key, share or partial does not fit its published commitments. */
export class CommitteeError extends VerificationError {
  override readonly code: string = "committee-invalid";
}

/** A round is not signed by the pinned network, or its time has not come. */
export class BeaconError extends VerificationError {
  override readonly code: string = "beacon-invalid";
}

/** The log's proofs, checkpoint or co-signatures do not hold. */
export class LogError extends VerificationError {
  override readonly code: string = "log-invalid";
}
