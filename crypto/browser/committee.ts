/** A committee's public side: its proofs, as a bidder checks them before sealing. Twin of `crypto/committee.py`. */

import * as bls from "./bls.ts";
import { type Bytes, bigEndian, concat, fromHex, sha256, toHex } from "./encoding.ts";
import { CommitteeError, MalformedError, SignatureError } from "./errors.ts";
import { type Of, encodeAs, hex32, hexG1, hexG2, integer, list, struct } from "./values.ts";

const DEALER_DST = "OPENSEAL-V1-DKGPOP-BLS12381G1_XMD:SHA-256_SSWU_RO_";
const POSSESSION_DST = "OPENSEAL-V1-POP-BLS12381G1_XMD:SHA-256_SSWU_RO_";
const MOST_MEMBERS = 15;

/** What one member publishes of the secret that it shares out: `A_j = a_j · G2`, constant term first, and the
 * signature by a_0 over `uint16_be(member) ‖ ceremony ‖ A_0`. */
export const memberKey = struct({
  certificate: hex32,
  commitments: list(hexG2, 2, MOST_MEMBERS),
  proof: hexG1,
});
export type MemberKey = Of<typeof memberKey>;

/** A committee as it stands in a tender notice; `verifyCommittee` before believing it. */
export const committee = struct({
  ceremony: hex32,
  threshold: integer(2, MOST_MEMBERS),
  members: list(memberKey, 2, MOST_MEMBERS),
  publicKey: hexG2,
  proof: hexG1,
});
export type Committee = Of<typeof committee>;

/** What members sign of a committee: SHA-256 of its canonical JSON, hex. */
export function digestOf(value: Committee): string {
  return toHex(sha256(encodeAs(value, committee)));
}

/** Checks every proof. Throws CommitteeError. That the members signed the ceremony's transcript is not seen here. */
export function verifyCommittee(committee: Committee): void {
  const { members, threshold } = committee;
  if (threshold > members.length || members.length >= 2 * threshold) {
    throw new CommitteeError("a committee is k of n with 2 ≤ k ≤ n < 2k and n ≤ 15");
  }
  if (new Set(members.map((member) => member.certificate)).size !== members.length) {
    throw new CommitteeError("a certificate stands twice in the committee");
  }
  const ceremony = fromHex(committee.ceremony);
  const published = members.map((member, i) => verifyMember(ceremony, i + 1, member, threshold));
  const [key] = published[0]!.map((_, column) => summed(published.map((points) => points[column]!)));
  if (key === undefined) throw new CommitteeError("a committee without a key");
  if (toHex(key.toBytes()) !== committee.publicKey) {
    throw new CommitteeError("the public key is not the sum of the members' commitments");
  }
  verify(key, fromHex(committee.publicKey), POSSESSION_DST, committee.proof, "the proof of possession");
}

/** Member `number`'s commitments as points, its proof checked. */
function verifyMember(ceremony: Bytes, number: number, member: MemberKey, threshold: number): bls.G2[] {
  if (member.commitments.length !== threshold) {
    throw new CommitteeError(`member ${number} committed to ${member.commitments.length} coefficients`);
  }
  const points = member.commitments.map((text) => pointOf(text, number));
  const message = concat(bigEndian(number, 2), ceremony, fromHex(member.commitments[0]!));
  verify(points[0]!, message, DEALER_DST, member.proof, `member ${number}'s proof`);
  return points;
}

function pointOf(text: string, number: number): bls.G2 {
  try {
    return bls.parseG2(fromHex(text));
  } catch {
    throw new CommitteeError(`member ${number}'s commitments are not points`);
  }
}

function summed(points: readonly bls.G2[]): bls.G2 {
  try {
    return bls.addG2(points);
  } catch {
    throw new CommitteeError("the members' commitments cancel out");
  }
}

function verify(key: bls.G2, message: Bytes, dst: string, proof: string, what: string): void {
  try {
    bls.verifySignature(key, message, dst, fromHex(proof));
  } catch (error) {
    if (!(error instanceof SignatureError || error instanceof MalformedError)) throw error;
    throw new CommitteeError(`${what} does not hold`);
  }
}
