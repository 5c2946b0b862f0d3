// How the page looks: chosen in Settings, kept in this browser.
import { HOURS, type Hours, countHours } from "./format";
import { load, save } from "./storage";

export const THEMES = ["system", "light", "dark", "contrast"] as const;
export const ACCENTS = ["blue", "green", "violet", "rose", "amber", "graphite"] as const;
export const DENSITIES = ["comfortable", "dense"] as const;
export type Theme = (typeof THEMES)[number];
export type Accent = (typeof ACCENTS)[number];
export type Density = (typeof DENSITIES)[number];

const LONGEST_NAME = 64;

class Settings {
  #theme = $state<Theme>(oneOf(THEMES, load("theme", "system")));
  #accent = $state<Accent>(oneOf(ACCENTS, load("accent", "blue")));
  #density = $state<Density>(oneOf(DENSITIES, load("density", "comfortable")));
  #hours = $state<Hours>(oneOf(HOURS, load("hours", "24")));
  #start = $state(load("start", ""));
  #name = $state(named(load("name", "")));
  readonly #prefersDark = window.matchMedia?.("(prefers-color-scheme: dark)");
  #systemIsDark = $state(this.#prefersDark?.matches ?? false);

  get theme(): Theme {
    return this.#theme;
  }
  set theme(theme: Theme) {
    this.#theme = theme;
    this.#keep("theme", theme);
  }

  /** What is shown: `system` resolved. */
  get shown(): Exclude<Theme, "system"> {
    return this.#theme === "system" ? (this.#systemIsDark ? "dark" : "light") : this.#theme;
  }

  get accent(): Accent {
    return this.#accent;
  }
  set accent(accent: Accent) {
    this.#accent = accent;
    this.#keep("accent", accent);
  }

  get density(): Density {
    return this.#density;
  }
  set density(density: Density) {
    this.#density = density;
    this.#keep("density", density);
  }

  get hours(): Hours {
    return this.#hours;
  }
  set hours(hours: Hours) {
    this.#hours = hours;
    this.#keep("hours", hours);
  }

  /** The path of the page that opens where the address names none: "" is Now. */
  get start(): string {
    return this.#start;
  }
  set start(path: string) {
    this.#start = path;
    this.#keep("start", path);
  }

  /** How this instance is called here. */
  get name(): string {
    return this.#name || "Swapyard";
  }
  set name(name: string) {
    this.#name = named(name);
    this.#keep("name", this.#name);
  }

  /** Called once at the start; from then on the page follows every choice, and the system's. */
  apply(): void {
    this.#show();
    this.#prefersDark?.addEventListener("change", (event) => {
      this.#systemIsDark = event.matches;
      this.#show();
    });
  }

  #keep(name: string, value: string): void {
    save(name, value);
    this.#show();
  }

  #show(): void {
    countHours(this.#hours);
    Object.assign(document.documentElement.dataset, { theme: this.shown, accent: this.#accent, density: this.#density });
  }
}

function oneOf<T extends string>(choices: readonly T[], value: string): T {
  return choices.find((choice) => choice === value) ?? (choices[0] as T);
}

function named(name: unknown): string {
  return typeof name === "string" ? name.replace(/\s+/g, " ").trim().slice(0, LONGEST_NAME) : "";
}

export const settings = new Settings();
