/** Up to seven page numbers around the present one. */
export function pagesAround(page: number, pages: number, most = 7): number[] {
  const from = Math.max(1, Math.min(page - Math.floor(most / 2), pages - most + 1));
  return Array.from({ length: Math.min(most, Math.max(pages, 1)) }, (_, at) => from + at);
}
