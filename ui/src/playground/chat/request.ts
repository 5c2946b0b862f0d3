// The request that an answer is the answer to: to be sent, and to be copied afterwards.
import { curlJson } from "../curl";
import { ENDPOINT_PATHS, conversation } from "../dialects";
import { extraOf, sampling } from "./parameters";
import { type Answer, type Chat, type How, before, said } from "./tree";

/** Throws with what is wrong with the extra JSON. */
export function bodyOf(chat: Chat, answer: Answer, how: How): Record<string, unknown> {
  const { model, endpoint } = answer;
  return { model, ...conversation(endpoint, how.system, said(before(chat, answer))), ...sampling(endpoint, how.values), ...extraOf(how.extra) };
}

/** Of an older answer, which does not tell how it was asked, with the chat's settings of today. */
export function curlOf(chat: Chat, answer: Answer): string {
  return curlJson(ENDPOINT_PATHS[answer.endpoint], bodyOf(chat, answer, answer.how ?? chat.settings));
}
