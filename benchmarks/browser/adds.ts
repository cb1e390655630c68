// All that a page for bids has beside a form: reading and verifying a notice, checking, sealing and signing a bid,
// sending it, its receipt verified, and its documents.

export { Service } from "../../bids/browser/client.ts";
export { sealFile } from "../../bids/browser/documents.ts";
export { checkBeforeSealing, sealBid } from "../../procurement/browser/bid.ts";
export { readNotice } from "../../procurement/browser/tender.ts";
