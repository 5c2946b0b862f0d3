// Where chats are kept: in this browser's IndexedDB, pictures and all. The list of them lies apart, so that it is read without them.
import type { Chat } from "./tree";

export interface Entry {
  id: string;
  title: string;
  changed: number;
  /** Messages in all branches. */
  count: number;
}

const NAME = "swapyard.playground";
let opened: Promise<IDBDatabase> | null = null;
/** Once it is open, writes begin at once: there may be no later when the page is being left. */
let base: IDBDatabase | null = null;

function database(): Promise<IDBDatabase> {
  opened ??= new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("chats", { keyPath: "id" });
      request.result.createObjectStore("entries", { keyPath: "id" });
    };
    request.onsuccess = () => resolve((base = request.result));
    request.onerror = () => reject(request.error ?? new Error("IndexedDB cannot be opened"));
  });
  return opened;
}

/** The newest first. Rejects where the browser keeps nothing. */
export async function entries(): Promise<Entry[]> {
  const found = await done<Entry[]>((await database()).transaction("entries").objectStore("entries").getAll());
  return found.sort((a, b) => b.changed - a.changed);
}

export async function all(): Promise<Chat[]> {
  return done<Chat[]>((await database()).transaction("chats").objectStore("chats").getAll());
}

export async function read(id: string): Promise<Chat | undefined> {
  return done<Chat | undefined>((await database()).transaction("chats").objectStore("chats").get(id));
}

/** Rejects when there is no room left. */
export async function write(chat: Chat): Promise<void> {
  const transaction = writing(base ?? (await database()));
  put(transaction, chat);
  await committed(transaction);
}

export async function remove(id: string): Promise<void> {
  const transaction = writing(base ?? (await database()));
  transaction.objectStore("chats").delete(id);
  transaction.objectStore("entries").delete(id);
  await committed(transaction);
}

export async function clear(): Promise<void> {
  const transaction = writing(base ?? (await database()));
  transaction.objectStore("chats").clear();
  transaction.objectStore("entries").clear();
  await committed(transaction);
}

/** Puts in its place what `change` makes of what is there. */
export async function change(id: string, change: (kept: Chat | undefined) => Chat): Promise<void> {
  const transaction = writing(base ?? (await database()));
  put(transaction, change(await done<Chat | undefined>(transaction.objectStore("chats").get(id))));
  await committed(transaction);
}

export function entryOf(chat: Chat): Entry {
  return { id: chat.id, title: chat.title, changed: chat.changed, count: chat.nodes.length };
}

function writing(database: IDBDatabase): IDBTransaction {
  return database.transaction(["chats", "entries"], "readwrite");
}

function put(transaction: IDBTransaction, chat: Chat): void {
  transaction.objectStore("chats").put(chat);
  transaction.objectStore("entries").put(entryOf(chat));
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB failed"));
  });
}

/** Without waiting for what was put: a page that is left meanwhile takes nothing back. */
function committed(transaction: IDBTransaction): Promise<void> {
  transaction.commit();
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB failed"));
  });
}
