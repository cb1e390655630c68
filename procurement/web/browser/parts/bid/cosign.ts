/** A partner in a joint bid looks at what the lead has sealed, and signs that it is its bid, too. */

import { type Content, placed } from "../../../../../bids/browser/envelope.ts";
import { fromBase64, toBase64 } from "../../../../../crypto/browser/encoding.ts";
import {
  type Of,
  base64Text,
  decodeAs,
  defaulted,
  encodeAs,
  list,
  struct,
} from "../../../../../crypto/browser/values.ts";
import type { Sealed } from "../../../../browser/bid.ts";

/** An envelope with all that shows what is in it. Who has it reads the bid. */
export type Shown = Pick<Sealed, "envelope" | "contents" | "entropy" | "restricted">;

const part = struct({ ...placed, content: base64Text });
const form = struct({
  envelope: base64Text,
  contents: list(part),
  entropy: base64Text,
  restricted: defaulted(list(part), []),
});

/** The file that the lead gives to its partners: `Shown` of `procurement/bidding/folder.py`. */
export function writeShown({ envelope, contents, entropy, restricted }: Shown): Uint8Array {
  const parts = { contents: contents.map(written), restricted: restricted.map(written) };
  return encodeAs({ envelope: toBase64(envelope), entropy: toBase64(entropy), ...parts }, form);
}

/** From the file. Throws MalformedError. */
export function readShown(data: Uint8Array): Shown {
  const { envelope, contents, entropy, restricted } = decodeAs(data, form);
  const parts = { contents: contents.map(read), restricted: restricted.map(read) };
  return { envelope: fromBase64(envelope), entropy: fromBase64(entropy), ...parts };
}

function written({ content, ...place }: Content): Of<typeof part> {
  return { ...place, content: toBase64(content) };
}

function read({ content, ...place }: Of<typeof part>): Content {
  return { ...place, content: fromBase64(content) };
}
