// Where the page and its server are. A reverse proxy may serve Swapyard below a prefix, so nothing is known beforehand: the
// server writes the icon's address relative to the page, however deep the page's path is, and the icon lies in the page's folder.

const icon = document.querySelector<HTMLLinkElement>("link[rel='icon']");

/** The path of the page's folder, with a slash at its end: `/ui/`, or `/prefix/ui/`. */
export const base: string = icon ? new URL(".", icon.href).pathname : "/";

// Links of the page that are relative would change with its path.
for (const each of document.querySelectorAll<HTMLLinkElement>("link[rel='icon'], link[rel='manifest']")) each.setAttribute("href", each.href);

/** The address of something that the server serves: `api/version` -> `/prefix/api/version`. */
export function server(path: string): string {
  return new URL(`../${path}`, new URL(base, location.origin)).pathname + (path.includes("?") ? path.slice(path.indexOf("?")) : "");
}

/** The whole address for programs other than this page, without a slash at its end. */
export function serverAddress(): string {
  return (location.origin + server("")).replace(/\/$/, "");
}
