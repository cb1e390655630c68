/** Why an envelope is turned away, and why one that was accepted does not open: twins of `bids/errors.py`. */

import { VerificationError } from "../../crypto/browser/errors.ts";

class CodedError extends VerificationError {
  override readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** An envelope that does not fit the terms it was made for. `code` says how. */
export class EnvelopeError extends CodedError {}

/** An envelope that does not open or does not decode. `code` is its published reason. */
export class Unopenable extends CodedError {
  constructor(code: string) {
    super(code, code);
  }
}

/** A step that a tender's notice or its history does not admit. `code` says which rule was broken. */
export class TenderError extends CodedError {}
