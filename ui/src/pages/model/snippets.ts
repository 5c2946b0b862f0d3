// Programs that ask a model something, ready to be copied.

export interface Endpoint {
  id: string;
  label: string;
  path: string;
  body: (model: string) => Record<string, unknown>;
  /** The call of the openai package and how its answer is shown; without it plain HTTP is used. */
  python?: (model: string) => string;
  /** LangChain's class for it, what it is made with beside address, key and model, and how it is asked. */
  langchain?: { class: string; with?: string; ask: string };
}

const HELLO = [{ role: "user", content: "Hello!" }];
const q = JSON.stringify;

export const ENDPOINTS: readonly Endpoint[] = [
  {
    id: "chat",
    label: "Chat",
    path: "v1/chat/completions",
    body: (model) => ({ model, messages: HELLO }),
    python: (model) => `answer = client.chat.completions.create(
    model=${q(model)},
    messages=[{"role": "user", "content": "Hello!"}],
)
print(answer.choices[0].message.content)`,
    langchain: { class: "ChatOpenAI", ask: 'print(model.invoke("Hello!").content)' },
  },
  {
    id: "embeddings",
    label: "Embeddings",
    path: "v1/embeddings",
    body: (model) => ({ model, input: "Hello!" }),
    python: (model) => `answer = client.embeddings.create(model=${q(model)}, input="Hello!")
print(answer.data[0].embedding[:5])`,
    // Else it sends tokens, which not every server takes.
    langchain: { class: "OpenAIEmbeddings", with: "check_embedding_ctx_length=False", ask: 'print(model.embed_query("Hello!")[:5])' },
  },
  { id: "rerank", label: "Rerank", path: "v1/rerank", body: (model) => ({ model, query: "A pet", documents: ["cat", "car"] }) },
  {
    id: "images",
    label: "Images",
    path: "v1/images/generations",
    body: (model) => ({ model, prompt: "A hare and a tortoise", size: "512x512" }),
    python: (model) => `answer = client.images.generate(model=${q(model)}, prompt="A hare and a tortoise", size="512x512")
print(answer.data[0].b64_json[:40])`,
  },
  {
    id: "speech",
    label: "Speech",
    path: "v1/audio/speech",
    body: (model) => ({ model, voice: "alloy", input: "Hello!" }),
    python: (model) => `with client.audio.speech.with_streaming_response.create(
    model=${q(model)}, voice="alloy", input="Hello!"
) as answer:
    answer.stream_to_file("hello.mp3")`,
  },
];

export interface Where {
  /** The server's address, without a slash at its end. */
  address: string;
  model: string;
  needsKey: boolean;
}

export function curl(endpoint: Endpoint, { address, model, needsKey }: Where): string {
  const body = JSON.stringify(endpoint.body(model), null, 2).replaceAll("'", `'\\''`);
  const key = needsKey ? ` \\\n  -H "Authorization: Bearer $SWAPYARD_KEY"` : "";
  const file = endpoint.id === "speech" ? " -o hello.mp3" : "";
  return `curl ${address}/${endpoint.path}${file} \\\n  -H 'Content-Type: application/json'${key} \\\n  -d '${body}'`;
}

export function python(endpoint: Endpoint, { address, model, needsKey }: Where): string {
  if (endpoint.python) {
    const key = needsKey ? 'os.environ["SWAPYARD_KEY"]' : '"none"';
    return `${needsKey ? "import os\n\n" : ""}from openai import OpenAI\n\nclient = OpenAI(base_url="${address}/v1", api_key=${key})\n${endpoint.python(model)}`;
  }
  const headers = needsKey ? `\n    headers={"Authorization": f"Bearer {os.environ['SWAPYARD_KEY']}"},` : "";
  return `${needsKey ? "import os\n\n" : ""}import httpx\n\nanswer = httpx.post(\n    "${address}/${endpoint.path}",${headers}\n    json=${q(endpoint.body(model))},\n    timeout=None,\n)\nprint(answer.json())`;
}

/** null: LangChain has no class for it that takes an address. */
export function langchain({ langchain: found }: Endpoint, { address, model, needsKey }: Where): string | null {
  if (!found) return null;
  const fields = [`base_url="${address}/v1"`, `api_key=${needsKey ? 'os.environ["SWAPYARD_KEY"]' : '"none"'}`, `model=${q(model)}`, ...(found.with ? [found.with] : [])];
  return `${needsKey ? "import os\n\n" : ""}from langchain_openai import ${found.class}\n\nmodel = ${found.class}(\n${fields.map((field) => `    ${field},\n`).join("")})\n${found.ask}`;
}

export function javascript(endpoint: Endpoint, { address, model, needsKey }: Where): string {
  const key = needsKey ? "\n    Authorization: `Bearer ${process.env.SWAPYARD_KEY}`," : "";
  const body = JSON.stringify(endpoint.body(model), null, 2).replaceAll("\n", "\n  ");
  const shown = endpoint.id === "speech" ? "await answer.arrayBuffer()" : "await answer.json()";
  return `const answer = await fetch("${address}/${endpoint.path}", {
  method: "POST",
  headers: {
    "Content-Type": "application/json",${key}
  },
  body: JSON.stringify(${body}),
});
console.log(${shown});`;
}

/** The endpoint that fits what a model can do. */
export function usual(capabilities: Record<string, boolean> = {}): Endpoint["id"] {
  if (capabilities.reranker) return "rerank";
  if (capabilities.image_generation) return "images";
  return capabilities.audio_speech ? "speech" : "chat";
}
