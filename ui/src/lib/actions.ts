// What people do to models. Every failure is told, with its reason and a way on; the promises never reject.
import type { Change, LoadRecord, Plan } from "./api.gen";
import { SvelteSet } from "svelte/reactivity";
import { ApiError, get, inPath, reason, send } from "./api";
import { isFailure } from "./details.svelte";
import { inShort } from "./format";
import { live } from "./live.svelte";
import { notifications } from "./notifications.svelte";
import { link } from "./router.svelte";
import { type ToastAction, toasts } from "./toasts.svelte";

/** The models whose load this page has asked for and that have not begun to load: they wait for others. */
export const pending = new SvelteSet<string>();

/** Begins to load a model; the stream tells how it goes, and `watchFailures` if it fails. */
export async function loadModel(id: string): Promise<void> {
  pending.add(id);
  notifications.expect(id);
  try {
    const begun = await send<LoadRecord>("POST", `api/models/load/${inPath(id)}?wait=false`);
    if (begun.state !== "stopped") pending.delete(id);
  } catch (error) {
    pending.delete(id);
    failed(`${nameOf(id)} could not be loaded`, error, id, () => loadModel(id));
  }
}

/** Tells of every load that fails and every server that crashes, from now on. */
export function watchFailures(): void {
  live.on("transition", (data) => {
    const change = data as Change;
    pending.delete(change.model);
    if (isFailure(change)) {
      const what = change.reason === "crashed" ? "crashed" : "could not be loaded";
      failed(`${nameOf(change.model)} ${what}`, new Error(change.cause), change.model, () => loadModel(change.model));
    }
  });
}

/** Gives up waiting for a load that has not begun, and stops one that has. */
export async function stopLoading(id: string): Promise<void> {
  pending.delete(id);
  try {
    await send("DELETE", `api/models/load/${inPath(id)}`);
    await send("POST", `api/models/unload/${inPath(id)}`);
  } catch (error) {
    failed(`${nameOf(id)} could not be stopped`, error, id, () => stopLoading(id));
  }
}

export async function unloadModel(id: string): Promise<void> {
  try {
    await send("POST", `api/models/unload/${inPath(id)}`);
  } catch (error) {
    failed(`${nameOf(id)} could not be unloaded`, error, id, () => unloadModel(id));
  }
}

export async function unloadAll(): Promise<void> {
  try {
    await send("POST", "api/models/unload");
    toasts.add({ tone: "ok", title: "All models are unloaded" });
  } catch (error) {
    failed("The models could not be unloaded", error, null, unloadAll);
  }
}

/** What would have to go if the model were asked for now; null where that cannot be told. */
export async function planOf(id: string): Promise<Plan | null> {
  try {
    return await get<Plan>(`api/models/${inPath(id)}/plan`);
  } catch {
    return null;
  }
}

export async function setProfile(name: string | null): Promise<void> {
  try {
    await send("PUT", "api/profiles/active", { name });
  } catch (error) {
    failed("The profile could not be switched", error, null, () => setProfile(name));
  }
}

export async function cancelRequest(id: string): Promise<void> {
  try {
    await send("POST", `api/inflight/${encodeURIComponent(id)}/cancel`);
  } catch (error) {
    if (error instanceof ApiError && error.code === "not_found" && !live.inflight.some((request) => request.id === id)) return; // over
    failed("The request could not be cancelled", error, null, () => cancelRequest(id));
  }
}

export function nameOf(id: string): string {
  return live.model(id)?.name || id;
}

/** `model`: whose log may tell more. */
function failed(title: string, error: unknown, model: string | null, again: () => Promise<void>): void {
  const actions: ToastAction[] = [{ label: "Try again", mutates: true, run: () => void again() }];
  if (model !== null) actions.push({ label: "Show its log", href: link("model", { id: model, tab: "logs" }) });
  toasts.add({ tone: "bad", title, text: inShort(reason(error)), actions });
}
