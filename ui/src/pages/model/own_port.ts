// The port that a model's server listens on itself, and whether a browser can open it.

export interface OwnPort {
  text: string;
  /** null: nobody but the machine that Swapyard runs on reaches it. */
  href: string | null;
}

/** `address`: "127.0.0.1:5801". `proxy`: the URL that Swapyard asks it by. `pageHost`: of this page, as in `location.hostname`. */
export function ownPort(address: string, proxy: string, pageHost: string): OwnPort {
  const colon = address.lastIndexOf(":");
  const [host, port] = [address.slice(0, colon).replace(/^\[|\]$/g, ""), address.slice(colon + 1)];
  const scheme = proxy.startsWith("https:") ? "https" : "http";
  const at = (name: string): string => `${scheme}://${name.includes(":") ? `[${name}]` : name}:${port}/`;
  if (host === "0.0.0.0" || host === "::") return { text: address, href: at(pageHost.replace(/^\[|\]$/g, "")) };
  return { text: address, href: isLoopback(host) && !isLoopback(pageHost) ? null : at(host) };
}

function isLoopback(host: string): boolean {
  return /^(localhost|.+\.localhost|127(\.\d+){3}|\[?::1\]?)$/.test(host);
}
