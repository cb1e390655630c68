/** A partner in a joint bid looks at what the lead has sealed, and signs that it is its bid, too. */

import type { Content } from "../../../../../bids/browser/envelope.ts";
import { type Json, fromBase64, toBase64 } from "../../../../../crypto/browser/encoding.ts";
import { MalformedError } from "../../../../../crypto/browser/errors.ts";
import { type Part, part as partType } from "../../../../../crypto/browser/locks.ts";
import { type Type, base64Text, decodeAs, encodeAs, struct } from "../../../../../crypto/browser/values.ts";
import type { Sealed } from "../../../../browser/bid.ts";
import { nameOf } from "./draft.ts";

/** An envelope with all that shows what is in it. Who has it reads the bid. */
export type Shown = Pick<Sealed, "envelope" | "contents" | "entropy" | "restricted">;

/** Contents by the names of their parts. */
const named: Type<readonly Content[]> = {
  read(json) {
    if (typeof json !== "object" || Array.isArray(json)) throw new MalformedError("not an object");
    return Object.entries(json).map(([name, text]) => ({ ...placeOf(name), content: fromBase64(base64Text.read(text)) }));
  },
  write: (contents) => Object.fromEntries(contents.map((each): [string, Json] => [nameOf(each), toBase64(each.content)])),
};
const form = struct({ envelope: base64Text, contents: named, entropy: base64Text, restricted: named });

/** The file that the lead gives to its partners: `Shown` of `procurement/bidding/folder.py`. */
export function writeShown({ envelope, contents, entropy, restricted }: Shown): Uint8Array {
  return encodeAs({ envelope: toBase64(envelope), contents, entropy: toBase64(entropy), restricted }, form);
}

/** From the file. Throws MalformedError. */
export function readShown(data: Uint8Array): Shown {
  const { envelope, contents, entropy, restricted } = decodeAs(data, form);
  return { envelope: fromBase64(envelope), contents, entropy: fromBase64(entropy), restricted };
}

function placeOf(name: string): { part: Part; lot?: string } {
  const at = name.indexOf("-");
  const part = partType.read(at < 0 ? name : name.slice(0, at));
  return at < 0 ? { part } : { part, lot: name.slice(at + 1) };
}
