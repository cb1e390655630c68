// What others' software makes of a network of ours:
//   drand.mjs chains BASE_URL                      the chain hashes served, one a line
//   drand.mjs round  BASE_URL CHAIN KEY ROUND      a round as drand-client verified it, as JSON; ROUND may be latest
//   drand.mjs seal   BASE_URL CHAIN KEY ROUND      tlock-js: standard input, armoured
//   drand.mjs open   BASE_URL CHAIN KEY            tlock-js: standard input, opened
// Run from the folder that npm installed into.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { fetchBeacon, HttpCachingChain, HttpChainClient, MultiBeaconNode } = require("drand-client");
const { timelockDecrypt, timelockEncrypt } = require("tlock-js");

console.log = console.error; // tlock-js prints every beacon it receives

const [command, baseUrl, chainHash, publicKey, round] = process.argv.slice(2);

function network() {
  const options = {
    disableBeaconVerification: false,
    noCache: false,
    chainVerificationParams: { chainHash, publicKey },
  };
  return new HttpChainClient(new HttpCachingChain(`${baseUrl}/${chainHash}`, options), options);
}

const commands = {
  async chains() {
    const chains = await new MultiBeaconNode(baseUrl).chains();
    return (await Promise.all(chains.map(async (chain) => (await chain.info()).hash))).join("\n");
  },
  async round() {
    const number = round === "latest" ? undefined : Number(round);
    return JSON.stringify(await fetchBeacon(network(), number));
  },
  seal: () => timelockEncrypt(Number(round), readFileSync(0), network()),
  open: () => timelockDecrypt(readFileSync(0, "utf8"), network()),
};

process.stdout.write(await commands[command]());
