// The tools of the playground: each has its own path and its own code.
import type { Component } from "svelte";
import type { IconName } from "../lib/icons";

export interface Tool {
  id: string;
  label: string;
  icon: IconName;
  load: () => Promise<{ default: Component }>;
}

export const TOOLS: readonly Tool[] = [
  { id: "chat", label: "Chat", icon: "chat", load: () => import("./chat/Chat.svelte") },
  { id: "images", label: "Images", icon: "image", load: () => import("./images/Images.svelte") },
  { id: "speech", label: "Speech", icon: "audio", load: () => import("./speech/Speech.svelte") },
  { id: "transcription", label: "Transcription", icon: "microphone", load: () => import("./transcription/Transcription.svelte") },
  { id: "rerank", label: "Rerank", icon: "filter", load: () => import("./rerank/Rerank.svelte") },
  { id: "load-test", label: "Load test", icon: "performance", load: () => import("./load/LoadTest.svelte") },
];
