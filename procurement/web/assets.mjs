// Makes assets/ from styles/, browser/ and images/: minified, compressed, and named after what is in them, so that
// browsers keep them for ever. manifest.json says which name each has.
//
//     node procurement/web/assets.mjs

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { compile } from "sass";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const assets = join(here, "assets");
const manifest = {};

function keep(name, content) {
  writeFileSync(join(assets, name), content);
  writeFileSync(join(assets, `${name}.gz`), gzipSync(content, { level: 9 }));
  writeFileSync(join(assets, `${name}.br`), brotliCompressSync(content));
}

function keepHashed(name, content) {
  const [, stem, suffix] = name.match(/^(.*)(\.[a-z0-9]+)$/);
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 12);
  manifest[name] = `${stem}-${hash}${suffix}`;
  keep(manifest[name], content);
}

function styles() {
  const options = { style: "compressed", loadPaths: [join(root, "node_modules")], quietDeps: true };
  keepHashed("site.css", compile(join(here, "styles", "site.scss"), options).css);
}

// Every file of browser/ is a page's script or a worker; what several of them share is loaded once.
async function scripts() {
  const folder = join(here, "browser");
  const entryPoints = readdirSync(folder).filter((name) => name.endsWith(".ts")).map((name) => join(folder, name));
  const made = await build({
    entryPoints,
    outdir: assets,
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2020",
    minify: true,
    legalComments: "none",
    entryNames: "[name]-[hash]",
    chunkNames: "shared-[hash]",
    metafile: true,
    write: false,
  });
  for (const file of made.outputFiles) keep(file.path.slice(assets.length + 1), file.contents);
  for (const [path, { entryPoint }] of Object.entries(made.metafile.outputs)) {
    // what is imported on demand is an entry point, too, and has no name of its own
    if (entryPoint && entryPoints.includes(resolve(entryPoint))) manifest[entryPoint.split("/").at(-1).replace(/ts$/, "js")] = path.split("/").at(-1);
  }
}

rmSync(assets, { recursive: true, force: true });
mkdirSync(assets);
styles();
for (const name of readdirSync(join(here, "images"))) keepHashed(name, readFileSync(join(here, "images", name)));
await scripts();
writeFileSync(join(assets, "manifest.json"), JSON.stringify(manifest, null, 2));
