// Puts a .gz and a .br beside every file of the built page that gets smaller by it: the server sends them as they are.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const folder = new URL("../src/swapyard/page/", import.meta.url).pathname;
const compressible = /\.(html|js|css|svg|json|webmanifest|txt)$/;

for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !compressible.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const plain = readFileSync(path);
  const forms = {
    ".gz": gzipSync(plain, { level: 9 }),
    ".br": brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } }),
  };
  for (const [ending, packed] of Object.entries(forms)) if (packed.length < plain.length) writeFileSync(path + ending, packed);
}
