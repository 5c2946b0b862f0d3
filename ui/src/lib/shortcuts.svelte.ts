// Keys that work on every page. Pages add their own (search with /, j and k) on their elements.
import { link, router } from "./router.svelte";
import { routes } from "./routes";

const PATIENCE = 1200; // ms between g and the second key

export const SHORTCUTS: readonly { keys: string; does: string }[] = [
  { keys: "Ctrl K", does: "Command palette: go to, load, unload, switch the profile, copy a call" },
  ...routes.flatMap(({ key, title }) => (key ? [{ keys: `g ${key}`, does: `Go to ${title}` }] : [])),
  { keys: "/", does: "Search on this page" },
  { keys: "j k", does: "Next and previous row of a list" },
  { keys: "e", does: "Next error in a log; with Shift the one before" },
  { keys: "?", does: "These shortcuts" },
  { keys: "Esc", does: "Close what is open" },
];

export class Shortcuts {
  open = $state<"palette" | "help" | null>(null);
  /** What is typed into the palette, from Ctrl K on: it is fetched when it is first wanted, and may come after the first keys. */
  wish = $state("");
  #afterG = 0;

  palette(): void {
    this.wish = "";
    this.open = "palette";
  }

  key(event: KeyboardEvent): void {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (this.open === "palette") this.open = null;
      else this.palette();
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (this.open === "palette" && event.key.length === 1) {
      event.preventDefault();
      this.wish += event.key;
      return;
    }
    const isSecond = Date.now() - this.#afterG < PATIENCE;
    this.#afterG = 0;
    if (isSecond) {
      const route = routes.find(({ key }) => key === event.key);
      if (route) {
        event.preventDefault();
        router.go(link(route.path));
      }
    } else if (event.key === "g") this.#afterG = Date.now();
    else if (event.key === "?") this.open = "help";
    else if (event.key === "/") focusSearch(event);
    else if (event.key === "j" || event.key === "k") moveRow(event);
  }
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.closest("input, textarea, select, dialog, [role='menu']") !== null);
}

/** A page's search field is the first input of type search in it. */
function focusSearch(event: KeyboardEvent): void {
  const field = document.querySelector<HTMLInputElement>("main input[type='search']");
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select();
}

/** Through the links or buttons that a page marks as its rows' (`data-row`). */
function moveRow(event: KeyboardEvent): void {
  const rows = [...document.querySelectorAll<HTMLElement>("main [data-row]")];
  if (!rows.length) return;
  event.preventDefault();
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const to = at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)));
  rows[to]?.focus();
}
