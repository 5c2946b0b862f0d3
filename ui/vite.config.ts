import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { manual } from "./manual.ts";

// `npm run dev` shows the page with live reload, in front of a Swapyard that runs at SWAPYARD (its address).
const swapyard = process.env.SWAPYARD ?? "http://127.0.0.1:8080";
const proxied = ["/api", "/v1", "/upstream", "/sdapi", "/logs", "/running", "/health", "/metrics", "/models", "/comfyui"];

const LAZY = /\/shell\/(Palette|Help)\.svelte/;
const CORE = /\/src\/(main\.ts|App\.svelte|shell\/|components\/|lib\/|pages\/Now\.svelte|pages\/now\/)|\/node_modules\/(svelte|esm-env|clsx)\/|vite\/preload-helper/;
const LAZY_LIBS = /\/lib\/lazy\//;

function isCore(id: string): boolean {
  return CORE.test(id) && !LAZY.test(id) && !LAZY_LIBS.test(id);
}

// Every browser that runs this page takes WOFF2: the other forms of the formulas' fonts stay out of the package.
const onlyWoff2: Plugin = {
  name: "only-woff2",
  enforce: "pre",
  transform: (code, id) => (id.includes("katex.min.css") ? code.replace(/,url\([^)]+\.(?:woff|ttf)\) format\("\w+"\)/g, "") : undefined),
};

export default defineConfig({
  // Relative: a reverse proxy may serve Swapyard below a prefix that nobody here knows.
  base: "./",
  plugins: [svelte(), onlyWoff2, manual],
  build: {
    outDir: "../src/swapyard/page",
    emptyOutDir: true,
    target: "es2022",
    // Everything is a file of its own: no script and no style stands in the page (its Content-Security-Policy forbids them).
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // What every page needs, and the start page, come in one file: fewer requests until something is seen.
        codeSplitting: { groups: [{ name: "core", test: isCore, includeDependenciesRecursively: false }] },
      },
    },
  },
  server: {
    fs: { allow: [".."] }, // docs/
    proxy: Object.fromEntries(proxied.map((path) => [path, { target: swapyard, changeOrigin: true, ws: true }])),
  },
  resolve: process.env.VITEST ? { conditions: ["browser"] } : undefined,
  test: { environment: "jsdom", include: ["src/**/*.test.ts"] },
});
