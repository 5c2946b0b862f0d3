import { expect, test } from "vitest";
import { ownPort } from "./own_port";

test.each([
  ["127.0.0.1:5801", "http://localhost:5801", "localhost", "http://127.0.0.1:5801/"],
  ["127.0.0.1:5801", "https://localhost:5801", "127.0.0.1", "https://127.0.0.1:5801/"],
  ["::1:5801", "http://localhost:5801", "[::1]", "http://[::1]:5801/"],
  ["127.0.0.1:5801", "http://localhost:5801", "yard.example", null],
  ["10.0.0.7:5801", "http://10.0.0.7:5801", "yard.example", "http://10.0.0.7:5801/"],
  ["0.0.0.0:5801", "http://localhost:5801", "yard.example", "http://yard.example:5801/"],
])("%s of %s, seen from %s, is %s", (address, proxy, page, href) => expect(ownPort(address, proxy, page).href).toBe(href));
