// The API key, where the server wants one. It lives in this tab's session storage and nowhere else.

const STORED = "swapyard.key";

class Session {
  #key = $state(read());
  /** The server wants a key, and has not been given a valid one. */
  needsKey = $state(false);
  /** A key was given, and it was not accepted. */
  wasRefused = $state(false);

  get hasKey(): boolean {
    return this.#key !== "";
  }

  /** What every call carries. `X-Requested-With` keeps the browser from asking for a password by itself. */
  get headers(): Record<string, string> {
    const headers: Record<string, string> = { "X-Requested-With": "swapyard" };
    if (this.#key) headers.Authorization = `Bearer ${this.#key}`;
    return headers;
  }

  signIn(key: string): void {
    this.#key = key;
    this.needsKey = this.wasRefused = false;
    write(key);
  }

  signOut(): void {
    this.signIn("");
    this.needsKey = true;
  }

  /** The server answered 401 to a call with these headers. Answers to a key that has been replaced meanwhile say nothing. */
  refused(headers: Record<string, string>): void {
    if (headers.Authorization !== this.headers.Authorization) return;
    if (this.#key) this.wasRefused = true;
    this.#key = "";
    this.needsKey = true;
    write("");
  }
}

function read(): string {
  try {
    return sessionStorage.getItem(STORED) ?? "";
  } catch {
    return "";
  }
}

function write(key: string): void {
  try {
    if (key) sessionStorage.setItem(STORED, key);
    else sessionStorage.removeItem(STORED);
  } catch {
    // Without storage the key lasts until the page is reloaded.
  }
}

export const session = new Session();
