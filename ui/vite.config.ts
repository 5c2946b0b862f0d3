import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// `npm run dev` shows the page with live reload, in front of a Swapyard that runs at SWAPYARD (its address).
const swapyard = process.env.SWAPYARD ?? "http://127.0.0.1:8080";
const proxied = ["/api", "/v1", "/upstream", "/sdapi", "/logs", "/running", "/health", "/metrics", "/models", "/comfyui"];

export default defineConfig({
  // Relative: a reverse proxy may serve Swapyard below a prefix that nobody here knows.
  base: "./",
  plugins: [svelte()],
  build: {
    outDir: "../src/swapyard/page",
    emptyOutDir: true,
    target: "es2022",
    // Everything is a file of its own: no script and no style stands in the page (its Content-Security-Policy forbids them).
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: Object.fromEntries(proxied.map((path) => [path, { target: swapyard, changeOrigin: true, ws: true }])),
  },
  resolve: process.env.VITEST ? { conditions: ["browser"] } : undefined,
  test: { environment: "jsdom", include: ["src/**/*.test.ts"] },
});
