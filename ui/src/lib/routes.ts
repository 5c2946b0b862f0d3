// Every page: its address, how it is called, and where its code is. Pages are loaded when they are
// first shown, but for the start page, which comes at once.
import type { Component } from "svelte";
import Now from "../pages/Now.svelte";
import type { IconName } from "./icons";

export interface Route {
  path: string;
  title: string;
  icon: IconName;
  load: () => Promise<{ default: Component }>;
  /** Shown in the navigation: "main" on phones too, "more" behind their More. */
  place: "main" | "more" | "hidden";
  /** Pressed after g. */
  key?: string;
  short?: string;
  /** What stands below its path is its own to read. */
  hasParts?: boolean;
}

export const routes: readonly Route[] = [
  { path: "", title: "Now", icon: "now", place: "main", key: "n", load: async () => ({ default: Now }) },
  { path: "models", title: "Models", icon: "models", place: "main", key: "m", load: () => import("../pages/Models.svelte") },
  { path: "model", title: "Model", icon: "models", place: "hidden", load: () => import("../pages/ModelDetail.svelte") },
  { path: "activity", title: "Activity", icon: "activity", place: "main", key: "a", load: () => import("../pages/Activity.svelte") },
  { path: "timeline", title: "Timeline", icon: "timeline", place: "more", key: "t", load: () => import("../pages/Timeline.svelte") },
  { path: "playground", title: "Playground", short: "Chat", icon: "chat", place: "main", key: "c", load: () => import("../pages/Playground.svelte"), hasParts: true },
  { path: "logs", title: "Logs", icon: "logs", place: "more", key: "l", load: () => import("../pages/Logs.svelte") },
  { path: "performance", title: "Performance", icon: "performance", place: "more", key: "p", load: () => import("../pages/Performance.svelte") },
  { path: "hardware", title: "Hardware", icon: "hardware", place: "more", key: "h", load: () => import("../pages/Hardware.svelte") },
  { path: "manual", title: "Manual", icon: "manual", place: "more", key: "d", load: () => import("../pages/Manual.svelte"), hasParts: true },
  { path: "settings", title: "Settings", icon: "settings", place: "more", key: "s", load: () => import("../pages/Settings.svelte") },
];

export function find(path: string): Route | undefined {
  return routes.find((route) => route.path === path || (route.hasParts && path.startsWith(`${route.path}/`)));
}
