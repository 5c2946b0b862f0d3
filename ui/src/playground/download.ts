/** Gives the browser something to save. */
export function download(content: Blob | string, name: string, type = "text/plain;charset=utf-8"): void {
  const blob = typeof content === "string" ? new Blob([content], { type }) : content;
  const url = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  // The browser has to have begun before it may go.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** What a data URL holds; null for other addresses. (Fetching it is not allowed by the page's policy.) */
export function blobOf(url: string): Blob | null {
  const found = /^data:([^;,]+);base64,(.*)$/s.exec(url);
  if (!found) return null;
  const bytes = Uint8Array.from(atob(found[2] ?? ""), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: found[1] });
}
