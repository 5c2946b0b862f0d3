import { inPath } from "./api";
import { server } from "./base";

/** Where a model's own server is reached through Swapyard. Opening it loads the model. */
export function serverOf(id: string): string {
  return id === "comfyui_auto" ? server("comfyui/") : server(`upstream/${inPath(id)}/`);
}
