// Makes assets/ from styles/, browser/ and images/: minified, compressed, and named after what is in them, so that
// browsers keep them for ever. manifest.json lists every file by its SHA-256; the service logs the manifest's own.
//
//     node procurement/web/assets.mjs

import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { compile } from "sass";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const assets = join(here, "assets");
const manifest = [];

const sha256 = (content) => createHash("sha256").update(content).digest("hex");

// `name` is what templates call it; what only other scripts load has none.
function keep(file, content, name) {
  writeFileSync(join(assets, file), content);
  writeFileSync(join(assets, `${file}.gz`), gzipSync(content, { level: 9 }));
  writeFileSync(join(assets, `${file}.br`), brotliCompressSync(content));
  manifest.push({ file, sha256: sha256(content), ...(name ? { name } : {}) });
}

function keepHashed(name, content) {
  const [, stem, suffix] = name.match(/^(.*)(\.[a-z0-9]+)$/);
  keep(`${stem}-${sha256(content).slice(0, 12)}${suffix}`, content, name);
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
  // What is imported on demand is an entry point, too, and has no name of its own.
  const isPage = (entryPoint) => entryPoint && entryPoints.includes(resolve(entryPoint));
  const names = Object.entries(made.metafile.outputs).map(([path, { entryPoint }]) => [
    basename(path),
    isPage(entryPoint) ? basename(entryPoint).replace(/ts$/, "js") : undefined,
  ]);
  const nameOf = Object.fromEntries(names);
  for (const { path, contents } of made.outputFiles) keep(basename(path), contents, nameOf[basename(path)]);
}

// For receipts on paper; no browser loads them.
function fonts() {
  const folder = join(root, "node_modules", "@expo-google-fonts", "nanum-gothic");
  mkdirSync(join(assets, "fonts"));
  for (const weight of ["400Regular", "700Bold"]) {
    const name = `NanumGothic_${weight}.ttf`;
    copyFileSync(join(folder, weight, name), join(assets, "fonts", name));
  }
}

rmSync(assets, { recursive: true, force: true });
mkdirSync(assets);
styles();
for (const name of readdirSync(join(here, "images"))) keepHashed(name, readFileSync(join(here, "images", name)));
await scripts();
fonts();
manifest.sort((one, other) => (one.file < other.file ? -1 : 1));
writeFileSync(join(assets, "manifest.json"), JSON.stringify(manifest, null, 1));
