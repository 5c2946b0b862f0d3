// The chats: the one that is shown, the list of all, and the answers under way. It lives as long as the browser's page does, so
// answers go on while other pages of it are looked at.
import { SvelteMap } from "svelte/reactivity";
import { load, save } from "../../lib/storage";
import { toasts } from "../../lib/toasts.svelte";
import { Answering } from "../answering.svelte";
import { newId } from "../asking";
import { draftOf, keepDraft } from "./drafts";
import { bodyOf } from "./request";
import * as shelf from "./shelf";
import { type Answer, type Chat, type ChatSettings, type Node, type Question, besides, branches, childrenOf, find, path, titleOf } from "./tree";
import * as unsaved from "./unsaved";

const EVERY = 2000; // ms between two writes while an answer comes
const SOON = 400; // ms until a change of settings is written
const NONE: ReadonlySet<string> = new Set();
const FIRST_SETTINGS: ChatSettings = { model: "", second: "", endpoint: "chat", system: "", values: {}, extra: "" };

class Chats {
  current = $state<Chat>(fresh(load<Partial<ChatSettings>>("playground.chat", {})));
  entries = $state.raw<readonly shelf.Entry[]>([]);
  /** The answers under way, by the id of their node. */
  readonly running = new SvelteMap<string, Answering>();
  /** Pictures that go with what is being typed. */
  images = $state<string[]>([]);
  /** This browser does not keep chats. */
  isForgetful = $state(false);
  hasEntries = $state(false);

  /** Chats with answers under way, while another one is shown. */
  readonly #open = new Map<string, Chat>();
  /** Deleted: what their answers still say is not kept. */
  readonly #gone = new Set<string>();
  /** By chat, the messages that the shelf holds as they are. */
  readonly #shelved = new Map<string, Set<string>>();
  /** By chat, what was given to the shelf last. */
  readonly #latest = new Map<string, Chat>();
  #draft = $state("");
  #isLeaving = false;
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  readonly path = $derived(path(this.current));
  readonly isRunning = $derived(this.path.some((node) => node.role === "assistant" && besides(this.current, node).some((each) => this.running.has(each.id))));

  /** What is being typed. */
  get draft(): string {
    return this.#draft;
  }

  set draft(text: string) {
    this.#draft = text;
    keepDraft(this.#draftName, text);
  }

  get #draftName(): string {
    return this.current.nodes.length ? this.current.id : "";
  }

  /** Reads the list, and shows the chat with this id, if there is one, or else the last one; a new one where that talks to
   * another model than `model`, if one is given. What is typed and sent meanwhile stays. */
  async start(id: string, model: string): Promise<void> {
    if (!this.hasEntries && model) this.current.settings.model = model;
    if (this.hasEntries) {
      if (id) await this.open(id);
      if (model && this.current.nodes.length && this.current.settings.model !== model) this.begin();
      if (model) this.current.settings.model = model;
      return;
    }
    const last = id || load("playground.chat.open", "");
    let found: Chat | undefined;
    try {
      await unsaved.recover();
      this.entries = await shelf.entries();
      if (last) found = await this.read(last);
    } catch {
      this.isForgetful = true;
    }
    const typed = this.draft;
    if (found && !this.current.nodes.length && (!model || model === found.settings.model)) {
      if (typed) keepDraft("", ""); // it goes where it can be seen
      this.#show(found);
    }
    this.draft = typed || draftOf(this.#draftName);
    this.hasEntries = true;
  }

  async open(id: string): Promise<void> {
    if (id === this.current.id) return;
    try {
      const found = await this.read(id);
      if (found) this.#show(found);
    } catch (error) {
      toasts.add({ tone: "bad", title: "This chat could not be read", text: error instanceof Error ? error.message : String(error) });
    }
  }

  /** An empty one, with the settings of the one that was shown. */
  begin(): void {
    this.#show(fresh($state.snapshot(this.current.settings)));
  }

  rename(id: string, title: string): void {
    const name = title.replace(/\s+/g, " ").trim().slice(0, 120);
    if (!name) return;
    void this.#change(id, (chat) => {
      chat.title = name;
      chat.isNamed = true;
    });
  }

  async remove(id: string): Promise<void> {
    this.#gone.add(id);
    const chat = id === this.current.id ? this.current : this.#open.get(id);
    for (const node of chat?.nodes ?? []) this.running.get(node.id)?.stop();
    clearTimeout(this.#timers.get(id));
    this.#open.delete(id);
    this.entries = this.entries.filter((entry) => entry.id !== id);
    unsaved.noteDeleted(id);
    keepDraft(id, "");
    if (id === this.current.id) this.begin();
    await shelf.remove(id).then(() => this.#gone.has(id) && unsaved.forget(id), () => undefined);
  }

  /** What was deleted comes back. */
  async restore(chat: Chat): Promise<void> {
    this.#gone.delete(chat.id);
    this.#shelved.delete(chat.id);
    await this.#write(chat);
    await this.open(chat.id);
  }

  /** From a file. One that is here already is kept beside it. */
  async add(chat: Chat): Promise<void> {
    const isHere = this.entries.some((entry) => entry.id === chat.id);
    const added = isHere ? { ...chat, id: newId() } : chat;
    this.#gone.delete(added.id);
    await this.#write(added, false);
    await this.open(added.id);
  }

  /** Nothing is kept of any chat. */
  async clear(): Promise<void> {
    for (const [id, chat] of this.#open) {
      this.#gone.add(id);
      for (const node of chat.nodes) this.running.get(node.id)?.stop();
      clearTimeout(this.#timers.get(id));
    }
    await shelf.clear();
    unsaved.clear();
  }

  async read(id: string): Promise<Chat | undefined> {
    if (id === this.current.id) return $state.snapshot(this.current) as Chat;
    const open = this.#open.get(id);
    if (open) return open;
    const found = await shelf.read(id);
    if (found) this.#shelved.set(id, new Set(found.nodes.map((node) => node.id)));
    return found;
  }

  // --- talking ---

  /** Sends what is in the draft. */
  send(): void {
    const text = this.draft.trim();
    if ((!text && !this.images.length) || this.isRunning || !this.current.settings.model) return;
    this.draft = "";
    const question = this.#ask(text, $state.snapshot(this.images), this.path.at(-1)?.id ?? null);
    this.images = [];
    this.#answerAll(question);
  }

  /** A branch with another question in the place of this one. */
  edit(question: Question, text: string): void {
    this.#answerAll(this.#ask(text.trim(), $state.snapshot(question.images), question.parent));
  }

  /** A branch with another answer to the same question, by the model that is chosen now. */
  again(answer: Answer): void {
    const question = answer.parent === null ? undefined : find(this.current, answer.parent);
    if (question?.role === "user") this.#answerAll(question);
  }

  stop(): void {
    for (const node of this.path) if (node.role === "assistant") for (const each of besides(this.current, node)) this.running.get(each.id)?.stop();
  }

  /** Shows the branch that is `by` further. */
  turn(node: Node, by: number): void {
    const { all, at } = branches(this.current, node);
    const next = all[at + by];
    if (next) this.choose(next);
  }

  choose(node: Node): void {
    this.current.shown[node.parent ?? ""] = node.id;
    this.touch();
  }

  /** The settings were changed. */
  touch(): void {
    save("playground.chat", this.current.settings);
    if (this.current.nodes.length) this.#writeSoon(this.current);
  }

  #ask(text: string, images: string[], parent: string | null): Question {
    const chat = this.current;
    if (!chat.nodes.length && !chat.isNamed) chat.title = titleOf(text);
    const question: Question = { id: newId(), role: "user", parent, at: Date.now(), text, images };
    chat.nodes.push(question);
    chat.shown[parent ?? ""] = question.id;
    return question;
  }

  #answerAll(question: Question): void {
    const { model, second } = this.current.settings;
    save("playground.chat", this.current.settings); // what was used last is what a new page begins with
    const beside = second && second !== model ? newId() : undefined;
    for (const each of beside ? [model, second] : [model]) void this.#answer(this.current, question, each, beside);
  }

  async #answer(chat: Chat, question: Question, model: string, beside: string | undefined): Promise<void> {
    const { endpoint, system, values, extra } = $state.snapshot(chat.settings);
    const how = { system, values, extra };
    const node: Answer = { id: newId(), role: "assistant", parent: question.id, at: Date.now(), model, endpoint, how, text: "", reasoning: "", reasoned: 0, loading: "", error: null, numbers: null };
    if (beside) node.beside = beside;
    const isFirst = !beside || !childrenOf(chat, question.id).some((each) => each.role === "assistant" && each.beside === beside);
    chat.nodes.push(node);
    if (isFirst) chat.shown[question.id] = node.id;
    const kept = chat.nodes.at(-1) as Answer; // as the page watches it
    let body: Record<string, unknown>;
    try {
      body = bodyOf(chat, node, how);
    } catch (error) {
      kept.error = { message: `The extra JSON of this chat's settings cannot be sent. ${error instanceof Error ? error.message : ""}`, status: 0 };
      return this.#write(chat);
    }
    const answering = new Answering(endpoint, model, body);
    this.running.set(node.id, answering);
    this.#open.set(chat.id, chat);
    void this.#write(chat); // before it is sent: whatever becomes of the answer, the question is kept
    const saving = setInterval(() => (keep(kept, answering), void this.#write(chat)), EVERY);
    await answering.run();
    clearInterval(saving);
    keep(kept, answering, this.#isLeaving);
    this.running.delete(node.id);
    await this.#write(chat);
  }

  // --- keeping ---

  #show(chat: Chat): void {
    this.current = chat;
    // The page watches what `current` gives, so answers have to write there too.
    this.#open.set(chat.id, this.current);
    save("playground.chat.open", chat.id);
    this.#draft = draftOf(this.#draftName);
    this.images = [];
  }

  async #change(id: string, change: (chat: Chat) => void): Promise<void> {
    const chat = id === this.current.id ? this.current : await this.read(id);
    if (!chat) return;
    change(chat);
    await this.#write(chat, false);
  }

  #writeSoon(chat: Chat): void {
    unsaved.note($state.snapshot(chat) as Chat, this.#shelved.get(chat.id) ?? NONE);
    clearTimeout(this.#timers.get(chat.id));
    this.#timers.set(chat.id, setTimeout(() => void this.#write(chat, false), SOON));
  }

  /** The page is about to be left; who is still here a while later has stayed after all. */
  leave(): void {
    this.#isLeaving = true;
    setTimeout(() => (this.#isLeaving = false), 2000);
    this.keepAll();
  }

  /** What the answers under way have said so far; the page may be gone after this. */
  keepAll(): void {
    for (const chat of this.#open.values()) {
      const running = chat.nodes.filter((node) => node.role === "assistant" && this.running.has(node.id)) as Answer[];
      for (const node of running) keep(node, this.running.get(node.id) as Answering, this.#isLeaving);
      if (running.length) void this.#write(chat);
    }
  }

  async #write(chat: Chat, isNews = true): Promise<void> {
    if (!chat.nodes.length || this.#gone.has(chat.id)) return;
    if (isNews) chat.changed = Date.now();
    clearTimeout(this.#timers.get(chat.id));
    const plain = $state.snapshot(chat) as Chat;
    unsaved.note(plain, this.#shelved.get(chat.id) ?? NONE);
    this.#latest.set(chat.id, plain);
    this.entries = [shelf.entryOf(plain), ...this.entries.filter((entry) => entry.id !== chat.id)].sort((a, b) => b.changed - a.changed);
    if (chat.id === this.current.id) save("playground.chat.open", chat.id);
    const over = plain.nodes.map((node) => node.id).filter((id) => !this.running.has(id));
    try {
      await shelf.write(plain);
      this.#shelved.set(chat.id, new Set(over));
      if (this.#latest.get(chat.id) === plain && !this.#gone.has(chat.id)) unsaved.forget(chat.id);
    } catch (error) {
      if (!this.isForgetful) toasts.add({ tone: "bad", title: "This chat cannot be kept in the browser", text: `${error instanceof Error ? error.message : String(error)} It is lost when the page is closed: export it.` });
      this.isForgetful = true;
    }
  }
}

/** `isLeaving`: that the connection broke off is no news, and the answer is not over. */
function keep(node: Answer, answering: Answering, isLeaving = false): void {
  const { text, reasoning, reasoned, loading, error, numbers } = answering;
  Object.assign(node, { text, reasoning, reasoned, loading, error, numbers });
  if (isLeaving && error?.status === 0) Object.assign(node, { error: null, numbers: null });
}

function fresh(settings: Partial<ChatSettings>): Chat {
  const now = Date.now();
  return { id: newId(), title: "New chat", isNamed: false, created: now, changed: now, nodes: [], shown: {}, settings: { ...FIRST_SETTINGS, ...settings } };
}

export const chats = new Chats();

// A hidden page may be ended without another word, so hiding counts as leaving.
addEventListener("beforeunload", () => chats.leave());
addEventListener("pagehide", () => chats.leave());
document.addEventListener("visibilitychange", () => document.hidden && chats.keepAll());
