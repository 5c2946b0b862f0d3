// The system's notifications of loads that are over, for whoever has chosen them in Settings and looks at something else.
import type { Change } from "./api.gen";
import { isFailure } from "./details.svelte";
import { inShort, wholeDuration } from "./format";
import { live } from "./live.svelte";
import { link, router } from "./router.svelte";
import { load, save } from "./storage";

/** `mine`: of loads that this page has asked for, by a button or by talking to a model. */
export const NOTIFIED = ["off", "mine", "all"] as const;
export type Notified = (typeof NOTIFIED)[number];

class Notifications {
  #wanted = $state<Notified>(NOTIFIED.find((each) => each === load("notifications", "off")) ?? "off");
  /** Why there are none although they are wanted. */
  fault = $state("");
  readonly #mine = new Set<string>();

  get wanted(): Notified {
    return this.#wanted;
  }

  /** The browser asks the person; called from a click. */
  async choose(wanted: Notified): Promise<void> {
    this.fault = "";
    if (wanted !== "off" && this.#wanted === "off") this.fault = await refusal();
    this.#wanted = this.fault ? "off" : wanted;
    save("notifications", this.#wanted);
  }

  /** This page has asked for the model with this id, and it is not ready yet. */
  expect(model: string): void {
    this.#mine.add(model);
  }

  watch(): void {
    live.on("transition", (data) => this.#hear(data as Change));
  }

  #hear(change: Change): void {
    const { model, state } = change;
    if (state !== "ready" && !isFailure(change)) return;
    const name = live.model(model)?.name || model;
    const isMine = this.#mine.delete(model);
    if (!document.hidden || this.#wanted === "off" || (this.#wanted === "mine" && !isMine)) return;
    if (state === "ready") show(model, `${name} is ready`, change.seconds ? `Loaded in ${wholeDuration(change.seconds)}` : "");
    else show(model, `${name} ${change.reason === "crashed" ? "crashed" : "could not be loaded"}`, inShort(change.cause));
  }
}

/** What keeps them from being shown; "" where nothing does. */
async function refusal(): Promise<string> {
  if (typeof Notification === "undefined") return window.isSecureContext ? "This browser has no notifications." : "Browsers allow notifications only over HTTPS or on the machine itself.";
  if ((await Notification.requestPermission()) !== "granted") return "Notifications are not allowed for this page. The browser's address bar is where that can be changed.";
  try {
    // Some browsers on phones allow them and then cannot show them.
    new Notification("Notifications are on", { body: "This is how a model that is ready will be told.", tag: "swapyard" });
    return "";
  } catch {
    return "This browser cannot show notifications of a page.";
  }
}

/** The next one about the same model takes its place. */
function show(model: string, title: string, body: string): void {
  try {
    const shown = new Notification(title, { body, tag: `swapyard-${model}` });
    shown.onclick = () => {
      window.focus();
      router.go(link("model", { id: model }));
      shown.close();
    };
  } catch {
    // Allowed once and not any more: the page itself tells it all the same.
  }
}

export const notifications = new Notifications();
