// A call of the playground as a command to copy. The key is never in it: the shell puts it in.
import { serverAddress } from "../lib/base";
import { session } from "../lib/session.svelte";

const LONGEST = 400; // characters of a text that is no text, such as a picture

export function curlJson(path: string, body: unknown): string {
  const json = JSON.stringify(body, (_key, value: unknown) => (typeof value === "string" && value.startsWith("data:") && value.length > LONGEST ? `${value.slice(0, 40)}…` : value), 2);
  return [`curl ${quoted(address(path))}`, ...key(), `-H 'Content-Type: application/json'`, `-d ${quoted(json)}`].join(" \\\n  ");
}

/** `@name` values are files. */
export function curlForm(path: string, fields: readonly (readonly [string, string])[]): string {
  return [`curl ${quoted(address(path))}`, ...key(), ...fields.map(([name, value]) => `-F ${quoted(`${name}=${value}`)}`)].join(" \\\n  ");
}

function address(path: string): string {
  return `${serverAddress()}/${path}`;
}

function key(): string[] {
  return session.hasKey ? [`-H "Authorization: Bearer $SWAPYARD_API_KEY"`] : [];
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
