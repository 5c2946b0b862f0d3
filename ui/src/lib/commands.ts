// What the command palette offers, and which of it fits what was typed.
import type { IconName } from "./icons";

export interface Command {
  id: string;
  /** What it does: "Load Hare". */
  label: string;
  /** Beside the label: a model's id. */
  note?: string;
  /** The model that it loads: what that would unload is told before. */
  loads?: string;
  icon: IconName;
  /** Changes something on the server. */
  mutates?: boolean;
  /** More words that it is found by. */
  also?: string;
  run: () => void;
}

const SHOWN = 50;

/** Every word must be found; what begins with them, or whose words do, stands first. */
export function search(commands: readonly Command[], text: string): Command[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return commands.slice(0, SHOWN);
  const scored = commands.flatMap((command, at) => {
    const told = `${command.label} ${command.note ?? ""} ${command.also ?? ""}`.toLowerCase();
    if (!words.every((word) => told.includes(word))) return [];
    const begins = words.filter((word) => told.split(/[\s/:.-]+/).some((part) => part.startsWith(word))).length;
    const whole = told.startsWith(words.join(" ")) ? 1 : 0;
    return [{ command, at, score: 2 * whole + begins }];
  });
  return scored
    .sort((a, b) => b.score - a.score || a.at - b.at)
    .slice(0, SHOWN)
    .map(({ command }) => command);
}
