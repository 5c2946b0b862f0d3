// A request to begin with, for a terminal.
import type { ModelStatus } from "./api.gen";
import { serverAddress } from "./base";

/** To the first of the models that seems to be one to talk to; null where there is none. Of most models nobody has said what they
 *  can do. */
export function firstRequest(models: readonly ModelStatus[]): string | null {
  const model = models.find(({ capabilities: can, unlisted }) => !unlisted && !can?.reranker && !can?.image_generation && !can?.audio_speech && !can?.audio_transcriptions);
  if (!model) return null;
  const body = JSON.stringify({ model: model.id, messages: [{ role: "user", content: "Hello!" }] }).replaceAll("'", "'\\''");
  return `curl ${serverAddress()}/v1/chat/completions -H 'Content-Type: application/json' \\\n  -d '${body}'`;
}
