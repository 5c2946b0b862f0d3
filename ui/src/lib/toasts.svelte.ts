// Short messages about what has just happened. Failures stay until they are dismissed.
import type { Tone } from "./states";

const SHOWN = 6000; // ms

export interface ToastAction {
  label: string;
  href?: string;
  run?: () => void;
  mutates?: boolean;
}

export interface Toast {
  id: number;
  tone: Tone;
  title: string;
  text?: string;
  actions?: readonly ToastAction[];
}

class Toasts {
  all = $state<Toast[]>([]);
  #last = 0;

  add(toast: Omit<Toast, "id">): void {
    const id = ++this.#last;
    // The same words need not be said twice.
    this.all = [...this.all.filter((other) => other.title !== toast.title || other.text !== toast.text), { ...toast, id }].slice(-4);
    if (toast.tone !== "bad") setTimeout(() => this.dismiss(id), SHOWN);
  }

  dismiss(id: number): void {
    this.all = this.all.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
