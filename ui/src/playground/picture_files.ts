// Pictures that go along with a question or are to be changed: from the picker, the clipboard or dropped.

export const MOST = 5;
export const LARGEST = 20 * 1024 * 1024; // bytes each
export const KINDS = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/** Which of the files can go along, beside `already` others, and why the rest cannot. */
export function accepted(files: readonly File[], already: number): { good: File[]; faults: string[] } {
  const good: File[] = [];
  const faults: string[] = [];
  for (const file of files) {
    if (!KINDS.includes(file.type)) faults.push(`${file.name || "This"} is no JPEG, PNG, GIF or WebP picture.`);
    else if (file.size > LARGEST) faults.push(`${file.name || "This picture"} is larger than 20 MiB.`);
    else if (already + good.length >= MOST) faults.push(`Not more than ${MOST} pictures go along at once.`);
    else good.push(file);
  }
  return { good, faults: [...new Set(faults)] };
}

export function dataUrl(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error ?? new Error("The file cannot be read"));
    reader.readAsDataURL(file);
  });
}
